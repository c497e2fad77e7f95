"""The vocabulary of an answer: its classes, and the texts that each of them is asked for by.

A class has a name, synonyms and a description. All texts that belong to no class (background words,
automatic negatives) have the background index: that of the class that means background or names
the surface that all others are on, if the vocabulary has one, else K, one past the K classes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from model.text.coverage import are_findings, surface_index
from model.text.words import BACKGROUND_NAMES


@dataclass(frozen=True)
class ClassPrompt:
    """One class of the answer, in words."""

    name: str  # as people know it, e.g. "Scratch"
    synonyms: tuple[str, ...] = ()  # other words for the same thing
    description: str = ""  # a phrase, mixed into the class embed with a weight
    is_background: bool | None = None  # None: recognized by the names


@dataclass(frozen=True)
class Vocabulary:
    classes: tuple[ClassPrompt, ...]  # the K classes of the answer, order kept
    background: tuple[str, ...] = ()  # words for what is in no class
    auto_negatives: bool = True  # add everyday words that are related to no class

    @classmethod
    def of(cls, names: Iterable[str]) -> "Vocabulary":
        """Plain names, as annotators type them."""
        return cls(tuple(ClassPrompt(name) for name in names))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(prompt.name for prompt in self.classes)


@dataclass(frozen=True)
class PromptRows:
    """R distinct texts and their classes."""

    texts: tuple[str, ...]
    class_index: tuple[int, ...]  # 0..K-1, or the background index


def clean_name(name: str) -> str:
    """A label as a word for a prompt: `traffic_light-Red` -> `traffic light red`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # TrafficLight -> Traffic Light
    words = re.sub(r"[_\-/\s]+", " ", words).strip()
    return words.casefold() or name.strip()


def is_read_well(text: str) -> bool:
    """Whether CLIP was trained with words in these letters: those of English.

    Of Chinese names the text tower tells a tenth of what it tells of English ones.
    """
    return not any(sign.isalpha() and not sign.isascii() for sign in text)


def asked_texts(prompt: ClassPrompt) -> tuple[str, ...]:
    """What a class is asked for by: its name and synonyms.

    A name that CLIP hardly reads makes way for its synonyms, or else for its description.
    """
    synonyms = tuple(word for word in prompt.synonyms if word.strip())
    if is_read_well(prompt.name):
        return (prompt.name, *synonyms)
    return synonyms or ((prompt.description,) if prompt.description.strip() else (prompt.name,))


def means_background(prompt: ClassPrompt) -> bool:
    if prompt.is_background is not None:
        return prompt.is_background
    return clean_name(prompt.name) in BACKGROUND_NAMES


def background_index(vocabulary: Vocabulary) -> int:
    """Index of the class of what is in no other class; K, one past the classes, without one.

    That is the first class that means background, or else the surface that all others are on.
    """
    for index, prompt in enumerate(vocabulary.classes):
        if means_background(prompt):
            return index
    surface = surface_index(cleaned_texts(vocabulary))
    if surface is None or vocabulary.classes[surface].is_background is not None:
        return len(vocabulary.classes)
    return surface


def are_on_a_surface(vocabulary: Vocabulary) -> bool:
    """Whether all classes are findings on one surface: that of a class, or the background."""
    texts, background = cleaned_texts(vocabulary), background_index(vocabulary)
    others = [of_class for index, of_class in enumerate(texts) if index != background]
    return surface_index(texts) == background or are_findings(others)


def cleaned_texts(vocabulary: Vocabulary) -> list[tuple[str, ...]]:
    """What each class is asked for by, cleaned."""
    return [tuple(map(clean_name, asked_texts(prompt))) for prompt in vocabulary.classes]


def class_index_by_name(vocabulary: Vocabulary) -> dict[str, int]:
    """Class index of each name, the first of equal ones; "" has the background index."""
    by_name = {name: index for index, name in reversed([*enumerate(vocabulary.names)])}
    return {**by_name, "": background_index(vocabulary)}


def prompt_rows(vocabulary: Vocabulary) -> PromptRows:
    """The distinct texts of a vocabulary: the first of each class, which is its name unless CLIP
    hardly reads that, then its others, then background words.

    A text that several classes share belongs to the first of them: no pixel tells them apart.
    """
    class_of: dict[str, int] = {}
    texts = [asked_texts(prompt) for prompt in vocabulary.classes]
    for index, (first, *_) in enumerate(texts):
        class_of.setdefault(clean_name(first), index)
    for index, (_, *others) in enumerate(texts):
        for other in others:
            class_of.setdefault(clean_name(other), index)
    for word in vocabulary.background:
        if word.strip():
            class_of.setdefault(clean_name(word), background_index(vocabulary))
    class_of.pop("", None)
    return PromptRows(tuple(class_of), tuple(class_of.values()))

"""The vocabulary: what the classes of an answer are called, and what is none of them.

A class is asked for by several rows of text (its name, its synonyms); the rows that belong to no
class (background words, negatives) share the owner K. `prompt_rows` lays these rows out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.methods import MethodConfig
from model.text.encoder import TextEncoder
from model.text.words import BACKGROUND_NAMES, EVERYDAY_WORDS, KIN


@dataclass(frozen=True)
class ClassPrompt:
    name: str  # the human word, e.g. "Scratch"
    synonyms: tuple[str, ...] = ()  # other words for the same thing
    description: str = ""  # a hint in words, mixed into the class embed with a weight
    is_background: bool | None = None  # None: recognised from the name


@dataclass(frozen=True)
class Vocabulary:
    classes: tuple[ClassPrompt, ...]  # the K classes of the answer, order kept
    background: tuple[str, ...] = ()  # further words for "none of them"
    auto_negatives: bool = True  # add everyday words that are kin to no label

    @classmethod
    def of(cls, names: Iterable[str]) -> "Vocabulary":
        """Plain names, as annotators type them."""
        return cls(tuple(ClassPrompt(name) for name in names))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(prompt.name for prompt in self.classes)


@dataclass(frozen=True)
class PromptRows:
    """R distinct texts, and whose each is."""

    texts: tuple[str, ...]
    owners: tuple[int, ...]  # class index 0..K-1, or K: none of the classes


@dataclass(frozen=True, eq=False)
class TextSide:
    """R unit embeds, and whose each is."""

    embeds: Tensor  # (R, E)
    owners: Tensor  # (R,) int64: class index 0..K-1, or K: none of the classes
    is_label: Tensor  # (R,) bool: of a class that is a thing, not "none of them"


def embed_vocabulary(
    vocabulary: Vocabulary, encode_text: TextEncoder, method: MethodConfig
) -> TextSide:
    """All that is asked of an image, with negatives chosen and descriptions mixed in."""
    rows, negatives = prompt_rows(vocabulary), []
    if vocabulary.auto_negatives and rows.texts:
        labels, bank = (
            encode_text(texts, method.negative_templates) for texts in (rows.texts, EVERYDAY_WORDS)
        )
        negatives = kin_free(EVERYDAY_WORDS, bank, rows.texts, labels)
    embeds = torch.cat(
        [
            encode_text(rows.texts, method.templates),
            encode_text(negatives, method.negative_templates),
        ]
    )
    home = background_class(vocabulary)
    none_of_them = len(vocabulary.classes) if home is None else home
    owners = torch.tensor([*rows.owners, *[none_of_them] * len(negatives)], dtype=torch.long)
    if method.synonym_reduction == "mean":
        embeds, owners = _mean_of_classes(embeds, owners, len(vocabulary.classes))
    embeds = _describe(embeds, owners, vocabulary, encode_text, method.description_weight)
    return TextSide(F.normalize(embeds, dim=-1), owners, owners != none_of_them)


def _mean_of_classes(embeds: Tensor, owners: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """One row a class; rows that belong to none stay apart, being different things."""
    classes = owners[owners < n_classes].unique()
    means = [embeds[owners == index].mean(dim=0, keepdim=True) for index in classes]
    negatives = embeds[owners == n_classes]
    return torch.cat([*means, negatives]), torch.cat([classes, owners[owners == n_classes]])


def _describe(
    embeds: Tensor,
    owners: Tensor,
    vocabulary: Vocabulary,
    encode_text: TextEncoder,
    weight: float,
) -> Tensor:
    """Mix each class's description into its rows (R, E) with a weight of 0..1."""
    described = [
        index for index, prompt in enumerate(vocabulary.classes) if prompt.description.strip()
    ]
    if not described or not weight:
        return embeds
    texts = [vocabulary.classes[index].description.strip() for index in described]
    embeds = embeds.clone()
    for index, description in zip(described, encode_text(texts, "plain"), strict=True):
        own = owners == index
        embeds[own] = (1 - weight) * embeds[own] + weight * description
    return embeds


def clean_name(name: str) -> str:
    """A label as a word for a prompt: `traffic_light-Red` -> `traffic light red`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # TrafficLight -> Traffic Light
    words = re.sub(r"[_\-/\s]+", " ", words).strip()
    return words.casefold() or name.strip()


def means_background(prompt: ClassPrompt) -> bool:
    if prompt.is_background is not None:
        return prompt.is_background
    return clean_name(prompt.name) in BACKGROUND_NAMES


def background_class(vocabulary: Vocabulary) -> int | None:
    """Index of the class that means "none of the others", if the vocabulary lists one."""
    for index, prompt in enumerate(vocabulary.classes):
        if means_background(prompt):
            return index
    return None


def class_of_label(vocabulary: Vocabulary) -> dict[str, int]:
    """The class index of each name, the first of equal ones; of "none of them" under ""."""
    home = background_class(vocabulary)
    class_of = {name: index for index, name in reversed([*enumerate(vocabulary.names)])}
    return {**class_of, "": len(vocabulary.classes) if home is None else home}


def prompt_rows(vocabulary: Vocabulary) -> PromptRows:
    """Lay out the texts to embed, each once: names go before synonyms, those before background.

    Two labels of one name share its row: the first owns it, since no pixel can tell them apart.
    """
    owner_of: dict[str, int] = {}
    none_of_them = len(vocabulary.classes)
    home = background_class(vocabulary)
    for index, prompt in enumerate(vocabulary.classes):
        owner_of.setdefault(clean_name(prompt.name), index)
    for index, prompt in enumerate(vocabulary.classes):
        for synonym in prompt.synonyms:
            if synonym.strip():
                owner_of.setdefault(clean_name(synonym), index)
    for word in vocabulary.background:
        if word.strip():
            owner_of.setdefault(clean_name(word), none_of_them if home is None else home)
    owner_of.pop("", None)
    return PromptRows(tuple(owner_of), tuple(owner_of.values()))


def kin_free(
    words: Sequence[str], word_embeds: Tensor, labels: Sequence[str], label_embeds: Tensor
) -> list[str]:
    """The words that are kin to no label, by name and by meaning.

    By meaning, a word is kin if it lies nearer to a label than most words of the bank lie to any
    other: what the checkpoint itself cannot tell from a label must not compete with it.
    """
    nearest = (word_embeds @ label_embeds.T).amax(dim=1)
    among_words = word_embeds @ word_embeds.T
    among_words.fill_diagonal_(-1)
    kin_cosine = among_words.amax(dim=1).median()
    by_name = kin_by_name(labels)
    return [
        word
        for word, cosine in zip(words, nearest, strict=True)
        if cosine < kin_cosine and not by_name & {word, *word.split()}
    ]


def kin_by_name(labels: Iterable[str]) -> set[str]:
    """The words of the labels, one by one and in the singular, and all that is kin to them.

    >>> sorted(kin_by_name(["Snowy_hills"]))
    ['cliff', 'hill', 'hills', 'mountain', 'snowy', 'snowy hills', 'terrain']
    """
    names = {clean_name(label) for label in labels}
    spoken = names | {part for name in names for part in name.split()}
    spoken |= {word.removesuffix("s") for word in spoken if not word.endswith("ss")}
    spoken -= {name.removesuffix("s") for name in names if " " in name}
    return spoken.union(*(group for group in KIN if group & spoken))

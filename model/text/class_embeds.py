"""Text embeds of a vocabulary: one row for each text of each class, and for the background.

Shapes: K classes, R rows of text, E channels of the joint space of image and text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.text.coverage import cover_the_scene
from model.text.encoder import TextEncoder
from model.text.negatives import select_negatives
from model.text.vocabulary import (
    Vocabulary,
    are_on_a_surface,
    background_index,
    cleaned_texts,
    prompt_rows,
)
from model.text.words import EVERYDAY_WORDS


@dataclass(frozen=True)
class PromptConfig:
    """How the texts of a vocabulary become embeds."""

    templates: str = "imagenet80"  # a name in TEMPLATES
    negative_templates: str = "imagenet7"  # 80 prompts for each of 60 words would take minutes
    # A name in SYNONYM_REDUCTIONS; max: the best row of a class, mean: one row, their mean.
    synonym_reduction: str = "max"
    description_weight: float = 0.2  # 0..1, of a description in the embeds of its class


@dataclass(frozen=True, eq=False)
class TextEmbeds:
    """R unit embeds and their classes."""

    embeds: Tensor  # (R, E)
    class_index: Tensor  # (R,) int64: 0..K-1, or the background index
    is_label: Tensor  # (R,) bool: of a class that is not the background
    surface: int | None = None  # index of the class on which all others are findings


def texts_of(vocabulary: Vocabulary, config: PromptConfig) -> list[tuple[str, tuple[str, ...]]]:
    """What `embed_vocabulary` asks the encoder for: (name in TEMPLATES, texts), the labels first.

    Callers that have little time can have them embedded before, in parts.
    """
    rows = prompt_rows(vocabulary)
    wanted = [(config.templates, rows.texts)]
    if wants_negatives(vocabulary) and rows.texts:
        wanted.append((config.negative_templates, (*rows.texts, *EVERYDAY_WORDS)))
    if config.description_weight:
        wanted.append(("plain", tuple(_descriptions(vocabulary).values())))
    return [(templates, texts) for templates, texts in wanted if texts]


def embed_vocabulary(
    vocabulary: Vocabulary, encode_text: TextEncoder, config: PromptConfig
) -> TextEmbeds:
    """The embeds of all texts of a vocabulary, with negatives selected and descriptions mixed
    in."""
    rows = prompt_rows(vocabulary)
    _, negatives = choose_negatives(vocabulary, rows.texts, encode_text, config.negative_templates)
    background = background_index(vocabulary)
    embeds = torch.cat([encode_text(rows.texts, config.templates), negatives])
    class_index = torch.tensor(
        [*rows.class_index, *[background] * len(negatives)], dtype=torch.long
    )
    reduce_synonyms = SYNONYM_REDUCTIONS[config.synonym_reduction]
    embeds, class_index = reduce_synonyms(embeds, class_index, len(vocabulary.classes))
    embeds = _mix_in_descriptions(
        embeds, class_index, vocabulary, encode_text, config.description_weight
    )
    return TextEmbeds(
        F.normalize(embeds, dim=-1),
        class_index,
        class_index != background,
        background if are_on_a_surface(vocabulary) else None,
    )


def wants_negatives(vocabulary: Vocabulary) -> bool:
    """Whether automatic negatives are asked for and something is left to them."""
    return vocabulary.auto_negatives and not cover_the_scene(cleaned_texts(vocabulary))


def choose_negatives(
    vocabulary: Vocabulary, texts: Sequence[str], encode_text: TextEncoder, templates: str
) -> tuple[tuple[str, ...], Tensor]:
    """The automatic negatives of a vocabulary with these texts: words, and embeds (N, E).

    None where the labels cover the scene.
    """
    if not wants_negatives(vocabulary) or not texts:
        return (), torch.zeros(0, encode_text.embed_dim)
    words = encode_text(EVERYDAY_WORDS, templates)
    is_chosen = select_negatives(EVERYDAY_WORDS, words, texts, encode_text(texts, templates))
    chosen = tuple(EVERYDAY_WORDS[index] for index in is_chosen.nonzero().flatten().tolist())
    return chosen, words[is_chosen]


def _mean_of_classes(embeds: Tensor, class_index: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """One row for each class; rows of no class stay apart, since they are different things."""
    classes = class_index[class_index < n_classes].unique()
    means = [embeds[class_index == index].mean(dim=0, keepdim=True) for index in classes]
    is_negative = class_index == n_classes
    return (
        torch.cat([*means, embeds[is_negative]]),
        torch.cat([classes, class_index[is_negative]]),
    )


# Embeds (R, E), class index (R,) and K -> the same of the rows that are scored.
SYNONYM_REDUCTIONS: dict[str, Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]] = {
    "max": lambda embeds, class_index, _: (embeds, class_index),
    "mean": _mean_of_classes,
}


def _mix_in_descriptions(
    embeds: Tensor,
    class_index: Tensor,
    vocabulary: Vocabulary,
    encode_text: TextEncoder,
    weight: float,
) -> Tensor:
    """Rows (R, E) with the description of their class added: (1 - weight) * row + weight * it."""
    described = _descriptions(vocabulary)
    if not described or not weight:
        return embeds
    embeds = embeds.clone()
    descriptions = encode_text([*described.values()], "plain")
    for index, description in zip(described, descriptions, strict=True):
        rows = class_index == index
        embeds[rows] = (1 - weight) * embeds[rows] + weight * description
    return embeds


def _descriptions(vocabulary: Vocabulary) -> dict[int, str]:
    """The description of each class that has one, by class index."""
    stripped = (
        (index, prompt.description.strip()) for index, prompt in enumerate(vocabulary.classes)
    )
    return {index: text for index, text in stripped if text}

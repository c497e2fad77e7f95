"""What a vocabulary asks for, in words: for people who wonder why a mask is where it is."""

from dataclasses import dataclass

from model.text.class_embeds import PromptConfig, choose_negatives
from model.text.encoder import TextEncoder
from model.text.vocabulary import Vocabulary, prompt_rows


@dataclass(frozen=True)
class AskedWords:
    by_class: tuple[tuple[str, ...], ...]  # K; the background's words belong to its class, if any
    background: tuple[str, ...]  # of no class
    negatives: tuple[str, ...]  # everyday words, added automatically


def asked_words(
    vocabulary: Vocabulary, encode_text: TextEncoder, config: PromptConfig
) -> AskedWords:
    """The texts of each class, as they are put into the templates, and those of no class."""
    rows = prompt_rows(vocabulary)
    n_classes = len(vocabulary.classes)
    texts: list[list[str]] = [[] for _ in range(n_classes + 1)]
    for text, index in zip(rows.texts, rows.class_index, strict=True):
        texts[index].append(text)
    negatives, _ = choose_negatives(vocabulary, rows.texts, encode_text, config.negative_templates)
    return AskedWords(
        by_class=tuple(tuple(found) for found in texts[:n_classes]),
        background=tuple(texts[n_classes]),
        negatives=negatives,
    )

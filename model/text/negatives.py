"""Automatic negatives: everyday words for the background that are related to no label."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from model.text.vocabulary import clean_name
from model.text.words import RELATED_WORDS


def select_negatives(
    words: Sequence[str], word_embeds: Tensor, labels: Sequence[str], label_embeds: Tensor
) -> Tensor:
    """Which of W words may be negatives of the labels, (W,) bool.

    A word is left out if a label contains it or a related word, or if its embed is closer to a
    label's than the median word's is to its nearest other word: what the checkpoint cannot tell
    from a label must not compete with it. A heuristic of ours; what the negatives gain is in
    benchmarks/README.md (ladder, "automatic negatives"). Embeds are unit, (W, E) and (R, E).
    """
    nearest_label = (word_embeds @ label_embeds.T).amax(dim=1)  # (W,) cosine
    among_words = word_embeds @ word_embeds.T
    among_words.fill_diagonal_(-1)
    is_distant = nearest_label < among_words.amax(dim=1).median()
    related = related_words(labels)
    is_unrelated = torch.tensor([not related & {word, *word.split()} for word in words])
    return is_distant & is_unrelated


def related_words(labels: Iterable[str]) -> set[str]:
    """The words of the labels, one by one and in the singular, and all words related to them.

    >>> sorted(related_words(["Snowy_hills"]))
    ['cliff', 'hill', 'hills', 'mountain', 'snowy', 'snowy hills', 'terrain']
    """
    names = {clean_name(label) for label in labels}
    label_words = names | {part for name in names for part in name.split()}
    label_words |= {word.removesuffix("s") for word in label_words if not word.endswith("ss")}
    label_words -= {name.removesuffix("s") for name in names if " " in name}
    return label_words.union(*(group for group in RELATED_WORDS if group & label_words))

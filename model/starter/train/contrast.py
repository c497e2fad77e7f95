"""The two contrastive losses: photos against whole texts, patches against single words."""

import torch
from torch import Tensor
from torch.nn import functional as F


def text_contrast(
    image_embeds: Tensor, text_embeds: Tensor, scale: Tensor, is_same: Tensor
) -> Tensor:
    """Symmetric InfoNCE over a batch (B, D), (B, D); duplicates of a text are no negatives."""
    logits = (scale * image_embeds @ text_embeds.T).masked_fill(is_same, float("-inf"))
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def word_contrast(
    patch_tokens: Tensor,
    words: Tensor,
    has: Tensor,
    skip: Tensor,
    scale: Tensor,
    patch_scale: float,
) -> Tensor:
    """Photos (B, L, D) against words (M, D): `has` (B, M) pairs are pulled, `skip` pairs left out.

    A word's score in a photo is the mean similarity of the patches, weighted by its softmax with
    scale `patch_scale`. Contrasted both ways: this word among words, this photo among photos.
    """
    similarity = torch.einsum("bld,md->bml", patch_tokens, words)
    score = ((similarity * patch_scale).softmax(-1) * similarity).sum(-1) * scale  # (B, M)
    negatives = score.masked_fill(has | skip, -1e4)
    among_words = torch.logaddexp(score, negatives.logsumexp(1, keepdim=True)) - score
    among_photos = torch.logaddexp(score, negatives.logsumexp(0, keepdim=True)) - score
    # Each photo counts alike, and each word counts alike, however many partners it has.
    by_photo = (among_words * has).sum(1) / has.sum(1).clamp_min(1)
    by_word = (among_photos * has).sum(0) / has.sum(0).clamp_min(1)
    return (by_photo.mean() + by_word[has.any(0)].mean()) / 2

"""Class probabilities from the logits of rows of text.

Shapes: R rows of text, K classes of the answer, C = K + 1 with the background last, h, w patches.
"""

import torch
from torch import Tensor


def class_probs(logits: Tensor, class_index: Tensor, n_classes: int) -> Tensor:
    """Probs (C, h, w), summing to 1 over C, of scaled logits (R, h, w) of rows of classes (R,).

    Softmax over all rows, then the best row of each class, as the literature scores synonyms.
    """
    row_probs = logits.softmax(dim=0)
    index = class_index.view(-1, 1, 1).expand_as(row_probs)
    probs = row_probs.new_zeros(n_classes + 1, *logits.shape[1:])
    probs.scatter_reduce_(0, index, row_probs, reduce="amax")
    return probs / probs.sum(dim=0, keepdim=True)


def top_classes(probs: Tensor, limit: int) -> Tensor:
    """Indices (k,), ascending, of about `limit` classes of probs (C, h, w).

    Kept are the background, every class that wins a patch, even beyond the limit, and then those
    that come closest to winning one: classes that win nowhere then cost nothing at full resolution.
    """
    if len(probs) <= limit:
        return torch.arange(len(probs), device=probs.device)
    share = probs / probs.amax(dim=0).clamp_min(1e-12)  # 1 where a class wins
    best_share = share.amax(dim=(1, 2))
    rank = best_share + share.mean(dim=(1, 2))
    rank[-1] = torch.inf  # the background
    rank[best_share == 1] += len(probs)
    n_kept = min(max(limit, int((best_share == 1).sum()) + 1), len(probs))
    return rank.topk(n_kept).indices.sort().values


def renormalized(probs: Tensor) -> Tensor:
    """Probs (k, h, w) of some classes, divided by their sum."""
    return probs / probs.sum(dim=0, keepdim=True)

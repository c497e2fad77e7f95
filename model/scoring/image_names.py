"""RF-CLIP's (2511.16170) text side: names moved toward the image that shows them.

Of names that mean nearly the same, the one that the image shows best is mixed with its own best
patches. As its released code runs, but once for the whole image instead of in each window.
Shapes: R rows of text, E channels of the joint space of image and text, P patches.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from torch import Tensor

BEST_PATCHES = 2


@dataclass(frozen=True)
class ImageNameConfig:
    """Published for each data set: distances 0.06 to 0.14, shares 0.01 to 0.05."""

    share: float = 0.0  # 0..1, of the best patches in a name; 0: names stay as they are
    cluster_distance: float = 0.1  # cosine distance between names that mean nearly the same


def names_in_image(
    embeds: Tensor, patch_tokens: Tensor, image_logits: Tensor, config: ImageNameConfig
) -> Tensor:
    """Unit embeds (R, E), one of each cluster of names mixed with the image's patches.

    embeds (R, E), patch tokens (P, E), both of unit length; image_logits (R,): the class token's.
    """
    adjusted = embeds.clone()
    for rows in clusters(embeds, config.cluster_distance):
        best = rows[int(image_logits[rows].argmax())]
        similarity = patch_tokens @ embeds[best]  # (P,)
        nearest = patch_tokens[similarity.topk(min(BEST_PATCHES, len(patch_tokens))).indices]
        seen = F.normalize(nearest.mean(dim=0), dim=0)
        adjusted[best] = F.normalize(torch.lerp(embeds[best], seen, config.share), dim=0)
    return adjusted


def clusters(embeds: Tensor, distance: float) -> list[Tensor]:
    """Rows of unit embeds (R, E) by complete linkage: no two in a cluster are farther apart."""
    if len(embeds) < 2:
        return [torch.arange(len(embeds))]
    apart = (1 - embeds.double() @ embeds.double().T).clamp_min(0).fill_diagonal_(0)
    condensed = squareform(apart.cpu().numpy(), checks=False)
    number = torch.from_numpy(fcluster(linkage(condensed, "complete"), distance, "distance"))
    return [(number == one).nonzero().flatten() for one in number.unique()]

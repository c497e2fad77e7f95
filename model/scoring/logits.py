"""Scaled logits of each row of text at each patch, from dense features.

Shapes: R rows of text, C classes with the background last, E joint channels, h, w patches, H, W
pixels, N keys of a memory.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model.features import DenseFeatures
from model.logit_scale import logit_scale_of
from model.scoring.class_probs import class_probs
from model.scoring.image_names import ImageNameConfig, names_in_image
from model.scoring.localization import (
    cut_below_range,
    subtract_image_mean,
    suppress_absent_classes,
)
from model.scoring.propagation import propagate
from model.text.class_embeds import TextEmbeds


@dataclass(frozen=True)
class LogitConfig:
    """How features and text embeds become logits; what each part gains: benchmarks/README.md."""

    logit_scale: float | None = 40.0  # None: automatic_logit_scale
    class_surgery: bool = False  # CLIP Surgery's feature surgery
    class_token_share: float = 0.0  # 0..1, of the class token's logits in those of each patch
    image_names: ImageNameConfig = ImageNameConfig()  # RF-CLIP's adjusted names
    image_mean_share: float = 0.0  # 0..1, of a row's mean over the image, subtracted
    range_cut: float = 0.0  # 0..1 of a label's range of logits, below which it is masked; 0: off
    absence_penalty: float = 0.0  # weight of the class token's logits against absent labels; 0: off
    propagation_cells: int = 0  # side of the grid of PEARL's propagation; 0: off


def class_logits(
    features: DenseFeatures,
    text: TextEmbeds,
    is_untaught: Tensor,
    image: Tensor,
    config: LogitConfig,
) -> Tensor:
    """Scaled logits (R, h, w) of the rows of text; with propagation on its grid.

    is_untaught (R,) bool: rows of labels that no lesson teaches, whose extent is cut by heuristic.
    The RGB image (3, H, W) of any scale guides the propagation.
    """
    image_logits = text.embeds @ features.cls_token  # (R,)
    embeds = text.embeds
    if config.image_names.share:
        patches = F.normalize(features.patch_tokens.flatten(1).T, dim=1)
        embeds = names_in_image(embeds, patches, image_logits, config.image_names)
    logits = torch.einsum("re,ehw->rhw", embeds, features.patch_tokens)
    logits = torch.lerp(logits, image_logits.view(-1, 1, 1), config.class_token_share)
    if config.class_surgery:
        logits = feature_surgery(logits, image_logits)
    if config.propagation_cells:
        logits = propagate(logits, image, text.embeds, config.propagation_cells)
    scale = logit_scale_of(logits, config.logit_scale)
    logits = subtract_image_mean(logits, config.image_mean_share) * scale
    if config.range_cut:
        logits = cut_below_range(logits, is_untaught, text.is_label, config.range_cut)
    if config.absence_penalty:
        presence = config.absence_penalty * scale * image_logits
        logits = suppress_absent_classes(logits, presence, text.is_label)
    return logits


def feature_surgery(logits: Tensor, image_logits: Tensor) -> Tensor:
    """CLIP Surgery's (2304.05653) feature surgery of cosine logits (R, h, w).

    Rows are weighted by the softmax of the class token's logits (R,), over its mean, and what all
    rows share is subtracted. The paper sums over the channels of features times texts: those sums
    are the logits themselves.
    """
    weight = (image_logits * 2).softmax(dim=0)
    weighted = logits * (weight / weight.mean()).view(-1, 1, 1)
    return weighted - weighted.mean(dim=0)


def text_probs_at(
    tokens: Tensor, text: TextEmbeds, n_classes: int, config: LogitConfig
) -> Tensor | None:
    """Class probs (C, N) by text alone at tokens (N, E); None where there is no text.

    Without what only an image has: its mean, its range, its class token.
    """
    if not len(text.embeds) or config.class_surgery:
        return None
    logits = text.embeds @ tokens.T  # (R, N)
    scale = logit_scale_of(logits, config.logit_scale)
    return class_probs(logits[..., None] * scale, text.class_index, n_classes)[..., 0]

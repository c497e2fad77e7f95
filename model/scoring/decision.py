"""Everything of a method that comes after its features, and class probabilities by text.

Shapes: K classes, C = K + 1 with the background last, H, W pixels, h, w patches.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.features import DenseFeatures
from model.scoring.class_probs import class_probs
from model.scoring.logits import LogitConfig, class_logits
from model.scoring.presence import PresenceConfig, drop_absent_classes
from model.scoring.surface import SurfaceConfig, set_findings_apart
from model.scoring.thresholds import ThresholdConfig
from model.text.class_embeds import PromptConfig, TextEmbeds


@dataclass(frozen=True)
class DecisionConfig:
    """From text and features to masks."""

    prompts: PromptConfig = PromptConfig()
    logits: LogitConfig = LogitConfig()
    presence: PresenceConfig = PresenceConfig()
    surface: SurfaceConfig = SurfaceConfig()
    thresholds: ThresholdConfig = ThresholdConfig()
    refiner: str = "none"  # a name in REFINERS
    # Instead of it, where lessons taught pixels: (at least this share of the decision, a name).
    # A CRF takes thin things away that pixels have found (benchmarks/README.md, "Corrections").
    taught_refiners: tuple[tuple[float, str], ...] = ((0.5, "guided_fine"), (0.0, "guided"))

    def refiner_for(self, pixel_share: float | None) -> str:
        """The refiner by how much of the decision is the pixels', 0..1; None: nothing."""
        if pixel_share is None:
            return self.refiner
        fitting = (name for share, name in self.taught_refiners if pixel_share >= share)
        return next(fitting, self.refiner)


def text_probs(
    features: DenseFeatures,
    text: TextEmbeds,
    is_taught: Tensor,
    image: Tensor,
    config: DecisionConfig,
) -> Tensor:
    """Class probs (C, h, w) by text alone, at the patches or at the propagation's grid.

    is_taught (C,) bool: classes that lessons teach, whose extent is not cut by heuristic. The RGB
    image (3, H, W) guides the propagation. Without any text all is background.
    """
    n_classes = len(is_taught) - 1
    if not len(text.embeds):
        probs = torch.zeros(n_classes + 1, *features.patch_tokens.shape[1:])
        probs[-1] = 1
        return probs
    is_untaught = text.is_label & ~is_taught[text.class_index]  # (R,)
    logits = class_logits(features, text, is_untaught, image, config.logits)
    probs = class_probs(logits, text.class_index, n_classes)
    tokens = features.tokens_like(probs)
    probs = drop_absent_classes(probs, tokens, config.presence)
    return set_findings_apart(probs, tokens, text.surface, config.surface)

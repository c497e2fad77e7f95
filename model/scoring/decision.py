"""Everything of a method that comes after its features, and class probabilities by text.

Shapes: K classes, C = K + 1 with the background last, H, W pixels, h, w patches.
"""

from collections.abc import Mapping
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
    # Instead of it, with lessons: the first that keeps at least this share of their masks; "none"
    # if none does. Empty: always `refiner`. Chosen by benchmarks/README.md, "Corrections".
    taught_refiners: tuple[tuple[float, str], ...] = (
        (0.75, "crf"),
        (0.75, "guided"),
        (0.9, "guided_fine"),
    )
    # Where lessons of a former release do not say what they keep, but teach pixels: (at least this
    # share of the decision, a name). A CRF takes thin things away that pixels have found.
    unmeasured_refiners: tuple[tuple[float, str], ...] = ((0.5, "guided_fine"), (0.05, "guided"))

    def taught_refiner(self, kept_masks: Mapping[str, float], pixel_share: float) -> str:
        """The refiner for what lessons teach, which keep these shares of their masks by name.

        `pixel_share`: how much of the decision is the pixels', 0..1.
        """
        if not self.taught_refiners:
            return self.refiner
        if not kept_masks:
            fitting = (name for least, name in self.unmeasured_refiners if pixel_share >= least)
            return next(fitting, self.refiner)
        keeping = (name for least, name in self.taught_refiners if kept_masks.get(name, 0) >= least)
        return next(keeping, "none")


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

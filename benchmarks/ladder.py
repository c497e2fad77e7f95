"""The rows of the ladder: what each part of `firstpass` is worth, alone and together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from model import METHODS, MethodConfig
from model.scoring.image_names import ImageNameConfig

FULL = METHODS["firstpass"]
Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """Values that differ from another method's, by the part of the method they are of."""

    name: str
    windows: Changes = field(default_factory=dict)
    tower: Changes = field(default_factory=dict)
    last_block: Changes = field(default_factory=dict)
    context: Changes = field(default_factory=dict)
    coherence: Changes = field(default_factory=dict)
    prompts: Changes = field(default_factory=dict)
    logits: Changes = field(default_factory=dict)
    presence: Changes = field(default_factory=dict)
    surface: Changes = field(default_factory=dict)
    thresholds: Changes = field(default_factory=dict)
    refiner: str | None = None
    auto_negatives: bool = True

    def of(self, method: MethodConfig) -> MethodConfig:
        """The method with these values in it."""
        encoder, decision = method.encoder, method.decision
        return replace(
            method,
            windows=replace(method.windows, **self.windows),
            encoder=replace(
                encoder,
                tower=replace(encoder.tower, **self.tower),
                last_block=replace(encoder.last_block, **self.last_block),
                context=replace(encoder.context, **self.context),
                coherence=replace(encoder.coherence, **self.coherence),
            ),
            decision=replace(
                decision,
                prompts=replace(decision.prompts, **self.prompts),
                logits=replace(decision.logits, **self.logits),
                presence=replace(decision.presence, **self.presence),
                surface=replace(decision.surface, **self.surface),
                thresholds=replace(decision.thresholds, **self.thresholds),
                refiner=self.refiner or decision.refiner,
            ),
        )


@dataclass(frozen=True)
class Row:
    name: str
    method: MethodConfig
    auto_negatives: bool = True


# Each step keeps those before it.
LADDER = (
    Step(
        "vanilla last block",
        windows={"global_view_px": 0},
        tower={"positions": "offset"},
        last_block={"attention": "qk", "residual": True, "ffn": True},
        prompts={"templates": "photo"},
        logits={"image_mean_share": 0.0, "range_cut": 0.0, "absence_penalty": 0.0},
        surface={"min_separation": 1.0},
        refiner="none",
        auto_negatives=False,
    ),
    Step(
        "+ no residual, no feed-forward",
        last_block={"residual": False, "ffn": False},
        auto_negatives=False,
    ),
    Step("+ query-query attention", last_block={"attention": "qq"}, auto_negatives=False),
    Step("+ identity attention", last_block={"attention": "identity+qq"}, auto_negatives=False),
    Step("+ bicubic positions", tower={"positions": "bicubic"}, auto_negatives=False),
    Step(
        "+ global view",
        windows={"global_view_px": FULL.windows.global_view_px},
        auto_negatives=False,
    ),
    Step(
        "+ 80 prompts",
        prompts={"templates": FULL.decision.prompts.templates},
        auto_negatives=False,
    ),
    Step("+ automatic negatives"),
    Step(
        "+ image mean subtracted",
        logits={"image_mean_share": FULL.decision.logits.image_mean_share},
    ),
    Step("+ labels cut by their range", logits={"range_cut": FULL.decision.logits.range_cut}),
    Step(
        "+ absent labels suppressed",
        logits={"absence_penalty": FULL.decision.logits.absence_penalty},
    ),
    Step(
        "+ findings on a surface",
        surface={"min_separation": FULL.decision.surface.min_separation},
    ),
    Step("+ refiner: the full method", refiner=FULL.decision.refiner),
)
WITHOUT = (
    Step("- no residual, no feed-forward", last_block={"residual": True, "ffn": True}),
    Step("- query-query attention", last_block={"attention": "identity"}),
    Step("- identity attention", last_block={"attention": "qq"}),
    Step("- bicubic positions", tower={"positions": "offset"}),
    Step("- global view", windows={"global_view_px": 0}),
    Step("- overlap of windows", windows={"stride_px": FULL.windows.window_px}),
    Step("- 80 prompts", prompts={"templates": "photo"}),
    Step("- image mean subtracted", logits={"image_mean_share": 0.0}),
    Step("- labels cut by their range", logits={"range_cut": 0.0}),
    Step("- absent labels suppressed", logits={"absence_penalty": 0.0}),
    Step("- automatic negatives", auto_negatives=False),
    Step("- findings on a surface", surface={"min_separation": 1.0}),
    Step("- refiner", refiner="none"),
)
# What `firstpass` leaves off.
WITH = (
    Step("with global-context fusion, 1/6", context={"emerging": True, "share": 1 / 6}),
    Step("with global-context fusion, 1/3", context={"emerging": True, "share": 1 / 3}),
    Step(
        "with keys and values shared between windows, qq alone",
        last_block={"stitch": True, "attention": "qq"},
    ),
    Step("with channel suppression", tower={"suppress_channels": True}),
    Step("with Gaussian neighborhood", last_block={"gaussian_std": 5.0}),
    Step("with key-key attention, too", last_block={"attention": "identity+qq+kk"}),
    Step("with orthogonal alignment", last_block={"attention": "procrustes", "kk_share": 0.08}),
    Step("with outliers replaced, LOF", coherence={"outliers": "lof"}),
    Step(
        "with mid-layer coherence",
        last_block={"attention": "coherent+qq", "attend_class": False},
        coherence={"block": 9},
    ),
    Step(
        "with similar patches averaged",
        last_block={"attend_class": False},
        coherence={"block": 9, "min_cosine": 0.6},
    ),
    Step("with class token in the features", last_block={"class_share": 0.1}),
    Step("with class token in the logits", logits={"class_token_share": 0.1}),
    Step("with names adjusted to the image", logits={"image_names": ImageNameConfig(share=0.03)}),
    Step("with flipped view", windows={"flip_share": 0.5}),
    Step("with automatic temperature", logits={"logit_scale": None}),
    Step("with automatic thresholds", thresholds={"prob": None, "area": None}),
    Step("with absent classes dropped: peak", presence={"measure": "peak", "min_presence": 0.3}),
    Step(
        "with absent classes dropped: affinity",
        presence={"measure": "affinity", "min_presence": 0.3},
    ),
    Step("with propagated logits", logits={"propagation_cells": 80}),
    Step("with short side 448 px", windows={"short_side_px": 448}),
)


def ladder_rows() -> Iterator[Row]:
    """Up to the full method; the full method without each part; with each that it leaves off."""
    method = FULL
    for step in LADDER:
        method = step.of(method)
        yield Row(step.name, method, step.auto_negatives)
    for step in (*WITHOUT, *WITH):
        yield Row(step.name, step.of(FULL), step.auto_negatives)

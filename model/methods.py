"""The methods by name: each a frozen choice of how windows, encoder and decision work.

A preset computes what its authors' code computes, position embeddings included; where it departs
from them, a comment says so. Block numbers are the published ones for 12 blocks (encoder/depth.py).
"""

from dataclasses import dataclass

from model.encoder.coherence import CoherenceConfig
from model.encoder.config import EncoderConfig
from model.encoder.global_context import ContextConfig
from model.encoder.last_block import LastBlockConfig
from model.encoder.published.resclip import FeedbackConfig
from model.encoder.tower import TowerConfig
from model.encoder.tower_fit import SC_CLIP_COHERENCE, SC_CLIP_LAST_BLOCK
from model.encoder.windows import WindowConfig
from model.scoring.decision import DecisionConfig
from model.scoring.image_names import ImageNameConfig
from model.scoring.logits import LogitConfig
from model.scoring.surface import SurfaceConfig
from model.scoring.thresholds import ThresholdConfig
from model.text.class_embeds import PromptConfig


@dataclass(frozen=True)
class MethodConfig:
    """Windows and encoder shape the features that lessons are made of; the decision does not."""

    name: str
    windows: WindowConfig = WindowConfig()
    encoder: EncoderConfig = EncoderConfig()
    decision: DecisionConfig = DecisionConfig()
    suits_tower: bool = False  # the last block is read as `choose_reading` says for the tower


def _cuts(logit_scale: float, prob: float) -> DecisionConfig:
    """A decision by these two numbers alone, as most published ones."""
    return DecisionConfig(
        logits=LogitConfig(logit_scale=logit_scale), thresholds=ThresholdConfig(prob=prob)
    )


_CLIP = MethodConfig(
    "clip",
    encoder=EncoderConfig(last_block=LastBlockConfig(attention="qk", residual=True, ffn=True)),
)

# The authors run exact GELU and epsilon 1e-6 whatever the weights were trained with; for OpenAI's
# weights that is a loss, and exact_gelu=False avoids it.
_MASKCLIP = MethodConfig(
    "maskclip",
    windows=WindowConfig(window_px=0, short_side_px=512),
    encoder=EncoderConfig(
        tower=TowerConfig(positions="bicubic", norm_eps=1e-6, exact_gelu=True),
        last_block=LastBlockConfig(attention="identity", residual=True, ffn=True),
    ),
    decision=_cuts(logit_scale=100.0, prob=0.0),
)

_SCLIP = MethodConfig(
    "sclip",
    encoder=EncoderConfig(
        last_block=LastBlockConfig(
            attention="qq+kk",
            attention_gain=2.0,  # the sum of both, not their mean
            residual=True,
            ffn=True,
        ),
    ),
    decision=_cuts(logit_scale=40.0, prob=0.1),
)

_CLEARCLIP = MethodConfig(
    "clearclip",
    windows=WindowConfig(short_side_px=448, window_px=448, stride_px=224),
    encoder=EncoderConfig(last_block=LastBlockConfig(attention="qq")),
    decision=_cuts(logit_scale=50.0, prob=0.15),
)

_NACLIP = MethodConfig(
    "naclip",
    encoder=EncoderConfig(last_block=LastBlockConfig(attention="kk", gaussian_std=5.0)),
    decision=_cuts(logit_scale=40.0, prob=0.1),
)

_GEM = MethodConfig(
    "gem",
    windows=WindowConfig(window_px=0, short_side_px=448),
    encoder=EncoderConfig(path="gem", tower=TowerConfig(positions="bicubic antialias")),
    decision=DecisionConfig(
        prompts=PromptConfig(templates="photo"), logits=LogitConfig(logit_scale=100.0)
    ),
)

# Without its LLaMA texts, and without closing the label map: that orders classes by number.
_ITACLIP = MethodConfig(
    "itaclip",
    windows=WindowConfig(stride_px=28, views=("gray", "blur"), flip_share=0.25),
    encoder=EncoderConfig(
        block_numbers="fixed",
        last_block=LastBlockConfig(attention="qq+kk", attention_gain=2.0, residual=True),
        context=ContextConfig(blocks=(7, 8, 10), attention="qq+kk", share=0.5),
    ),
    decision=_cuts(logit_scale=60.0, prob=0.1),
)

# area_thd of its code changes nothing (it edits logits after the probs were taken): not here.
_RESCLIP = MethodConfig(
    "resclip",
    encoder=EncoderConfig(
        path="resclip",
        block_numbers="fixed",
        last_block=LastBlockConfig(attention="kk", gaussian_std=5.0, attention_gain=2.0),
        context=ContextConfig(blocks=(6, 7, 8, 9), share=0.4),
        feedback=FeedbackConfig(share=0.7, gain=1.8, min_prob=0.11),
    ),
    decision=_cuts(logit_scale=40.0, prob=0.1),
)

# No code was published: the paper's two parts on the reduced block, blocks found by its rule.
_GCLIP = MethodConfig(
    "gclip",
    encoder=EncoderConfig(
        tower=TowerConfig(suppress_channels=True, suppress_above=1.0),
        last_block=LastBlockConfig(attention="qq"),
        context=ContextConfig(emerging=True, share=2 / 3),
    ),
    decision=_cuts(logit_scale=40.0, prob=0.15),
)

_SC_CLIP = MethodConfig(
    "sc-clip",
    encoder=EncoderConfig(
        block_numbers="sc-clip", last_block=SC_CLIP_LAST_BLOCK, coherence=SC_CLIP_COHERENCE
    ),
    decision=_cuts(logit_scale=50.0, prob=0.15),
)

# Each data set has its own published values of the text side: these are the middle ones.
_RF_CLIP = MethodConfig(
    "rf-clip",
    encoder=EncoderConfig(path="rf-clip"),
    decision=DecisionConfig(
        logits=LogitConfig(
            logit_scale=40.0, class_token_share=0.25, image_names=ImageNameConfig(share=0.03)
        ),
        thresholds=ThresholdConfig(prob=0.1),
    ),
)

# The propagation follows the paper: in the code an einsum drops all but the text matrix's diagonal.
_PEARL = MethodConfig(
    "pearl",
    encoder=EncoderConfig(last_block=LastBlockConfig(attention="procrustes", kk_share=0.08)),
    decision=DecisionConfig(
        logits=LogitConfig(logit_scale=40.0, propagation_cells=80),
        thresholds=ThresholdConfig(prob=0.1),
    ),
)

# SC-CLIP's decision. An outlier whose neighbors are all outliers keeps its value; SFP's code zeroes
# it.
_SFP = MethodConfig(
    "sfp",
    encoder=EncoderConfig(
        block_numbers="fixed",
        last_block=LastBlockConfig(attention="kk+qq+coherent", attend_class=False, class_share=0.3),
        coherence=CoherenceConfig(
            outliers="som",
            block=9,
            cut_attention=True,
            smoothing_block=4,
            level_blocks=tuple(range(4, 11)),
            level_attention="coherent",
        ),
    ),
    decision=_cuts(logit_scale=50.0, prob=0.15),
)

_CLIP_SURGERY = MethodConfig(
    "clip-surgery",
    windows=WindowConfig(window_px=0, short_side_px=512),
    encoder=EncoderConfig(path="clip-surgery", tower=TowerConfig(positions="bilinear")),
    decision=DecisionConfig(logits=LogitConfig(logit_scale=100.0, class_surgery=True)),
)

# Ours. Chosen by benchmarks.ablate ("ladder" in benchmarks/README.md, where the parts that it
# leaves off stand, too: on the starter global context and channel suppression gain nothing, and
# averaging similar patches blurs what corrections teach).
_FIRSTPASS = MethodConfig(
    "firstpass",
    windows=WindowConfig(global_view_px=196),
    encoder=EncoderConfig(
        tower=TowerConfig(positions="bicubic"), last_block=LastBlockConfig(attention="identity+qq")
    ),
    decision=DecisionConfig(
        logits=LogitConfig(
            logit_scale=40.0, image_mean_share=0.3, range_cut=0.6, absence_penalty=1.5
        ),
        surface=SurfaceConfig(min_separation=0.6),
        thresholds=ThresholdConfig(part=0.0002),
        refiner="crf",
    ),
    suits_tower=True,
)

METHODS: dict[str, MethodConfig] = {
    preset.name: preset
    for preset in (
        _CLIP, _MASKCLIP, _SCLIP, _CLEARCLIP, _NACLIP, _GEM, _ITACLIP, _RESCLIP, _GCLIP, _SC_CLIP,
        _RF_CLIP, _PEARL, _SFP, _CLIP_SURGERY, _FIRSTPASS,
    )
}  # fmt: skip

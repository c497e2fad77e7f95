"""The methods by name: each a frozen setting of the same switches.

A preset computes what its authors' code computes, position embeddings included; where it departs
from them, a comment says so. Block numbers count from 1, and are the published ones: those of
codes that set them once for all towers stay, others are scaled to the depth (`at_depth`).
Shares are 0 to 1.
"""

from dataclasses import dataclass, replace
from typing import Literal

from model.errors import unknown_name


@dataclass(frozen=True)
class MethodConfig:
    name: str
    scale_blocks: bool = True  # block numbers are for 12 blocks: scale them to the tower's depth

    # Windows. The image is resized, then cut; window 0 takes it whole.
    short_side_px: int = 336
    max_long_side_px: int = 2048
    window_px: int = 224
    stride_px: int = 112
    glance_px: int = 0  # short side of a further look at the whole image; 0: none
    glance_share: float = 0.5  # of the glance, beside 1 of the windows
    views: tuple[str, ...] = ()  # further looks at each window, names in VIEWS
    flip_share: float = 0.0  # 0..1, of the flipped views in the features

    # The tower.
    positions: str = "offset"  # how position embeddings are resized, a name in POSITIONS
    norm_eps: float | None = None  # None: the checkpoint's own
    exact_gelu: bool = False  # whatever the checkpoint was trained with
    suppress_channels: bool = False  # scale loud feed-forward channels back (GCLIP)
    suppress_above: float = 2.0  # times the mean of the others
    path: str = "reshaped"  # the way through the tower, a name in PATHS

    # The last block.
    attention: str = "kk"  # names in ATTENTION, joined by "+"
    attention_gain: float = 1.0  # matters only beside a residual
    attend_class: bool = True  # patches may attend to the class token
    gaussian_std: float = 0.0  # patches; neighbours favoured in the attention logits; 0: off
    kk_share: float = 0.0  # of key-key logits in "procrustes"
    residual: bool = False  # keep the residual path
    ffn: bool = False  # keep the feed-forward part
    class_share: float = 0.0  # of the class token, added to each patch
    parallel_blocks: int = 6  # how many blocks a parallel path collects

    # Windows of one image see each other: the last block's keys and values are shared.
    stitch: bool = False

    # Global context: attention maps of other blocks in the last one.
    context_blocks: tuple[int, ...] | Literal["emerging", "all"] = ()
    context_attention: str = "qk"
    context_share: float = 0.0  # 0..1
    context_head_mean: bool = False  # one map for all heads

    # Coherence: what a middle block knows of which patches are alike; block 0: off.
    outliers: str = ""  # a name in OUTLIERS
    coherence_block: int = 0
    alike_above: float = 0.4  # cosine
    cut_coherence: bool = False  # the attention, too, sees only cosines above it
    smoothing_block: int = 0  # gathers the answer's patches
    level_blocks: tuple[int, ...] = ()  # summed, and sent through the last block again
    level_attention: str = "kk"

    # Feedback of a first answer (ResCLIP).
    feedback_share: float = 0.0  # 0..1, in the attention logits
    feedback_gain: float = 1.0
    feedback_above: float = 0.0  # prob under which the first answer is the first class

    # From logits to masks.
    templates: str = "imagenet80"
    negative_templates: str = "imagenet7"  # 80 prompts for each of 100 words would take minutes
    logit_scale: float | None = 40.0  # None: by the spread of the logits
    synonym_reduction: str = "max"  # max: best row of a class; mean: of their embeds
    description_weight: float = 0.2  # share of a description in its class embed
    class_surgery: bool = False  # classes weighted by the class token (CLIP Surgery)
    class_logit_share: float = 0.0  # of the class token's logits, added; -0.3 suits aerial images
    whole_share: float = 0.0  # 0..1, of a row's mean logit over the image, taken off
    presence_share: float = 0.0  # of the class token's logits, where little is labelled
    core_above: float = 0.0  # 0..1, of a label's range in the image: weaker patches are not its own
    propagation_cells: int = 0  # side of the grid logits are propagated on (PEARL); 0: off
    purifier: str = ""  # how classes that are not in the image are found, a name in PURIFIERS
    purify_below: float = 0.0  # of the purifier's measure, 0..1
    prob_threshold: float | None = 0.0  # less probable pixels stay unlabelled; None: by Otsu
    area_threshold: float | None = 0.0  # of the labelled area, smaller classes go; None: a patch
    refiner: str = "none"

    @property
    def encodes_words(self) -> bool:
        """Whether features depend on the vocabulary."""
        return self.feedback_share > 0

    @property
    def output_blocks(self) -> set[int]:
        """The blocks whose outputs the last one asks for."""
        numbers = {self.coherence_block, self.smoothing_block, *self.level_blocks}
        return numbers - {0}


_SC_CLIP = MethodConfig(
    "sc-clip",
    attention="coherent+kk",
    attend_class=False,
    class_share=0.3,
    outliers="lof",
    level_attention="coherent+kk",
    coherence_block=9,
    smoothing_block=4,
    level_blocks=tuple(range(4, 11)),
    logit_scale=50.0,
    prob_threshold=0.15,
)

_PRESETS = (
    MethodConfig("clip", attention="qk", residual=True, ffn=True),
    # The authors run exact GELU and epsilon 1e-6 whatever the weights were trained with; for
    # OpenAI's weights that is a loss, and exact_gelu=False the cure.
    MethodConfig(
        "maskclip",
        attention="own value",
        residual=True,
        ffn=True,
        positions="bicubic",
        norm_eps=1e-6,
        exact_gelu=True,
        window_px=0,
        short_side_px=512,
        logit_scale=100.0,
    ),
    MethodConfig(
        "sclip",
        attention="qq+kk",
        attention_gain=2.0,  # the sum of both, not their mean
        residual=True,
        ffn=True,
        prob_threshold=0.1,
    ),
    MethodConfig(
        "clearclip",
        attention="qq",
        short_side_px=448,
        window_px=448,
        stride_px=224,
        logit_scale=50.0,
        prob_threshold=0.15,
    ),
    MethodConfig("naclip", attention="kk", gaussian_std=5.0, prob_threshold=0.1),
    MethodConfig(
        "gem",
        path="parallel",
        attention="gem",
        positions="bicubic antialias",
        templates="photo",
        window_px=0,
        short_side_px=448,
        logit_scale=100.0,
    ),
    # Without its LLaMA texts, and without closing the label map: that orders classes by number.
    MethodConfig(
        "itaclip",
        attention="qq+kk",
        attention_gain=2.0,
        residual=True,
        scale_blocks=False,
        context_blocks=(7, 8, 10),
        context_attention="qq+kk",
        context_share=0.5,
        views=("gray", "blur"),
        flip_share=0.25,
        stride_px=28,
        logit_scale=60.0,
        prob_threshold=0.1,
    ),
    # area_thd of its code changes nothing (it edits logits after the probs were taken): not here.
    MethodConfig(
        "resclip",
        attention="kk",
        gaussian_std=5.0,
        attention_gain=2.0,
        scale_blocks=False,
        context_blocks=(6, 7, 8, 9),
        context_share=0.4,
        feedback_share=0.7,
        feedback_gain=1.8,
        feedback_above=0.11,
        prob_threshold=0.1,
    ),
    # No code was published: the paper's two parts on the reduced block, blocks found by its rule.
    MethodConfig(
        "gclip",
        attention="qq",
        context_blocks="emerging",
        context_share=2 / 3,
        suppress_channels=True,
        suppress_above=1.0,
        prob_threshold=0.15,
    ),
    _SC_CLIP,
    MethodConfig(
        "rf-clip",
        path="refocused",
        prob_threshold=0.1,
    ),
    # Its 5 Newton-Schulz steps are kept as they are; "procrustes svd" is the converged rotation.
    # The propagation follows the paper: in the code an einsum drops all but the text matrix's
    # diagonal.
    MethodConfig(
        "pearl",
        attention="procrustes",
        kk_share=0.08,
        prob_threshold=0.1,
        propagation_cells=80,
    ),
    # An outlier whose neighbours are all outliers keeps its value; SFP's code zeroes it.
    replace(
        _SC_CLIP,
        name="sfp",
        scale_blocks=False,
        attention="kk+qq+coherent",
        level_attention="coherent",
        cut_coherence=True,
        outliers="som",
    ),
    MethodConfig(
        "clip-surgery",
        path="parallel",
        attention="surgery",
        positions="bilinear",
        window_px=0,
        short_side_px=512,
        class_surgery=True,
        logit_scale=100.0,
    ),
    # Global fusion, channel suppression and the gathering of like patches are switches that it
    # leaves off: on the starter the first two gain nothing, and gathered patches blur what
    # corrections teach (benchmarks/README.md).
    MethodConfig(
        "firstpass",
        attention="own value+qq",
        positions="bicubic",
        glance_px=196,
        whole_share=0.3,
        core_above=0.6,
        presence_share=1.5,
        refiner="crf",
    ),
)

METHODS: dict[str, MethodConfig] = {preset.name: preset for preset in _PRESETS}


def get_method(name: str) -> MethodConfig:
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    return METHODS[name]


# What authors published for deeper towers, by method and depth (SC-CLIP: its issue #5).
_PUBLISHED_AT = {
    ("sc-clip", 24): {
        "coherence_block": 17,
        "smoothing_block": 7,
        "level_blocks": tuple(range(9, 20)),
        "class_share": 0.1,
    }
}


def at_depth(method: MethodConfig, n_blocks: int) -> MethodConfig:
    """The method with its block numbers for a tower of this depth."""
    preset = METHODS.get(method.name)
    if (method.name, n_blocks) in _PUBLISHED_AT and preset is not None:
        published = _PUBLISHED_AT[method.name, n_blocks]
        own = {name for name in published if getattr(method, name) != getattr(preset, name)}
        changes = {name: value for name, value in published.items() if name not in own}
        return replace(method, **changes)  # type: ignore[arg-type]

    context = method.context_blocks if isinstance(method.context_blocks, tuple) else ()
    highest = max((*method.output_blocks, *context), default=0)
    if n_blocks == 12 or (highest < n_blocks and not method.scale_blocks):
        return method

    def scaled(number: int) -> int:
        return min(n_blocks - 1, round((number - 1) * n_blocks / 12) + 1) if number else 0

    levels = method.level_blocks
    if levels:
        levels = tuple(range(scaled(levels[0]), scaled(levels[-1]) + 1))
    return replace(
        method,
        coherence_block=scaled(method.coherence_block),
        smoothing_block=scaled(method.smoothing_block),
        level_blocks=levels,
        context_blocks=tuple(map(scaled, context)) if context else method.context_blocks,
    )

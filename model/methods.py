"""The methods by name: each a frozen setting of the same few switches."""

from dataclasses import dataclass

from model.errors import unknown_name


@dataclass(frozen=True)
class MethodConfig:
    name: str

    # Windows. The image is resized, then cut; window 0 takes it whole.
    short_side_px: int = 336
    max_long_side_px: int = 2048
    window_px: int = 224
    stride_px: int = 112

    # Dense tokens.
    attention: str = "kk"  # of the last block, a name in ATTENTION
    gaussian_std: float = 0.0  # patches; neighbours favoured in the attention logits; 0: off
    residual: bool = False  # keep the last block's residual path
    ffn: bool = False  # keep the last block's feed-forward part
    position_offset: float = 0.0  # published codes resize positions by (h + 0.1) / grid; 0: by size

    # From logits to masks.
    templates: str = "imagenet80"
    logit_scale: float = 40.0
    synonym_reduction: str = "max"  # max: best row of a class; mean: of their embeds
    description_weight: float = 0.2  # 0..1, share of a description in its class embed
    prob_threshold: float = 0.0  # pixels whose best class is less probable stay unlabelled
    area_threshold: float = 0.0  # classes under this share of the labelled area are dropped
    refiner: str = "guided"


METHODS: dict[str, MethodConfig] = {
    "clip": MethodConfig("clip", attention="qk", residual=True, ffn=True),
    "firstpass": MethodConfig("firstpass", attention="kk", gaussian_std=5.0),
}


def get_method(name: str) -> MethodConfig:
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    return METHODS[name]

"""Build a Segmenter: the one place where weights are loaded and a device is chosen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from model.checkpoints import load
from model.encoder.image_encoder import ImageEncoder
from model.errors import CheckpointError
from model.precision import choose_precision, keep_weights_in
from model.segmenter import Segmenter
from model.text.encoder import OpenClipTextEncoder

# Device types in order of preference, and whether this machine has one; ROCm counts as cuda.
ACCELERATORS: dict[str, Callable[[], bool]] = {
    "cuda": torch.cuda.is_available,
    "xpu": torch.xpu.is_available,
    "mps": torch.backends.mps.is_available,
}


@dataclass(frozen=True)
class CheckpointConfig:
    model: str = "starter"  # CLIP_MODEL
    pretrained: str = ""  # CLIP_PRETRAINED: a tag of the model, or a local file
    device: str = "auto"  # a torch device; auto: the first of ACCELERATORS that is there, or cpu
    precision: str = "auto"  # float32, bfloat16 or float16; auto: the fastest safe one


def build_segmenter(config: CheckpointConfig = CheckpointConfig()) -> Segmenter:  # noqa: B008, frozen
    """Load the checkpoint onto the device. CheckpointError, with the remedy, where that fails."""
    device = choose_device(config.device)
    autocast_dtype = choose_precision(config.precision, device)
    checkpoint = load(config.model, config.pretrained)
    clip = checkpoint.clip.to(device)
    keep_weights_in(clip, autocast_dtype)
    return Segmenter(
        encode_image=ImageEncoder(
            visual=clip.visual,
            mean=checkpoint.mean,
            std=checkpoint.std,
            device=device,
            autocast_dtype=autocast_dtype,
        ),
        encode_text=OpenClipTextEncoder(
            clip=clip,
            tokenizer=checkpoint.tokenizer,
            embed_dim=int(clip.visual.proj.shape[1]),
            fingerprint=text_fingerprint(checkpoint.fingerprint, autocast_dtype),
            device=device,
            autocast_dtype=autocast_dtype,
        ),
        model_name=checkpoint.name,
        fingerprint=checkpoint.fingerprint,
    )


def choose_device(name: str) -> torch.device:
    """The device of this name; CheckpointError where it cannot be used."""
    if name == "auto":
        return torch.device(best_device())
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise CheckpointError(
            f"Device '{name}' cannot be used: {reason} Set it to auto, cpu, cuda, xpu or mps."
        ) from error
    return device


def best_device(accelerators: Mapping[str, Callable[[], bool]] = ACCELERATORS) -> str:
    """The first accelerator that this machine has, or cpu."""
    return next((name for name, is_there in accelerators.items() if is_there()), "cpu")


def text_fingerprint(weights: str, autocast_dtype: torch.dtype | None) -> str:
    """Names the text embeds: workers of one Redis may compute in different precisions."""
    if autocast_dtype is None:
        return weights
    return f"{weights}-{str(autocast_dtype).removeprefix('torch.')}"

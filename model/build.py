"""Build a Segmenter: the one place where weights are loaded and a device is chosen."""

from dataclasses import dataclass

import torch

from model.checkpoints import load
from model.encoder.image_encoder import ImageEncoder
from model.errors import CheckpointError
from model.segmenter import Segmenter
from model.text.encoder import OpenClipTextEncoder

PRECISIONS = {
    "float32": None,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True)
class CheckpointConfig:
    model: str = "starter"  # CLIP_MODEL
    pretrained: str = ""  # CLIP_PRETRAINED: a tag of the model, or a local file
    device: str = "auto"  # a torch device; auto: cuda where there is one
    precision: str = "auto"  # float32, bfloat16 or float16; auto: the fastest safe one


def build_segmenter(config: CheckpointConfig = CheckpointConfig()) -> Segmenter:  # noqa: B008, frozen
    """Load the checkpoint onto the device; CheckpointError says what to do when that fails."""
    device = choose_device(config.device)
    autocast_dtype = choose_precision(config.precision, device)
    checkpoint = load(config.model, config.pretrained)
    clip = checkpoint.clip.to(device)
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
            fingerprint=checkpoint.fingerprint,
            device=device,
            autocast_dtype=autocast_dtype,
        ),
        model_name=checkpoint.name,
        fingerprint=checkpoint.fingerprint,
    )


def choose_device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise CheckpointError(
            f"Device '{name}' cannot be used: {reason} Set it to auto, cpu or cuda."
        ) from error
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype | None:
    """The autocast dtype, or None for float32.

    CPUs stay with float32: without native bfloat16 it is 4 times as slow as float32.
    """
    if name == "auto":
        if device.type != "cuda":
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if name not in PRECISIONS:
        raise CheckpointError(f"Unknown precision '{name}'. Known: auto, {', '.join(PRECISIONS)}.")
    return PRECISIONS[name]

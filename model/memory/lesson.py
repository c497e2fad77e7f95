"""One annotation's lesson, as it is stored.

A lesson holds keys: means of similar patches that a person gave one label, and the share of the
image that each stands for; patches under no mask are evidence of the background, owner -1. Since
the second format it also holds samples of the pixels, since the third what the tower's middle block
says of both.
Shapes: H, W pixels, E channels of the tokens, the last D of them of the middle block, M keys.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from model.errors import ModelError
from model.memory.pixel_samples import BACKGROUND, PixelSamples
from model.pixel_features import FEATURES_NAME

MAX_KEYS = 96  # of a lesson
FORMAT_WITHOUT_PIXELS = "firstpass lesson 1"
FORMAT_OF_LAST_BLOCK = "firstpass lesson 2"
FORMAT = "firstpass lesson 3"
FORMATS = (FORMAT_WITHOUT_PIXELS, FORMAT_OF_LAST_BLOCK, FORMAT)


@dataclass(frozen=True, eq=False)
class TaughtMask:
    """A person's mask of one label, and what was predicted there."""

    label: str  # ClassPrompt.name
    mask: NDArray[np.bool_]  # (H, W) bool, image resolution
    predicted: NDArray[np.bool_] | None = None  # (H, W) bool, the predicted mask; None: unknown
    # 1 drawn by hand; less for weak evidence, such as a rectangle; 0 where nothing is known: the
    # pixels teach neither the label nor the background.
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Lesson:
    """Stored as safetensors; the names of the fields are part of the format."""

    space: str  # Segmenter.space of its features
    labels: tuple[str, ...]  # that it teaches
    # (M, E) int8, of any length: only the direction counts. Of former releases float16.
    keys: Tensor
    owners: Tensor  # (M,) int16, index into labels, or BACKGROUND
    masses: Tensor  # (M,) float32, share of the image the key stands for, times its weight
    was_wrong: Tensor  # (M,) bool, another class was predicted there
    pixels: PixelSamples | None = None  # None: made by a release that stored none
    # Refiner -> how much it leaves of these masks, 0..1 (refine/kept_masks.py). Empty: not known.
    kept_masks: dict[str, float] = field(default_factory=dict)
    middle_channels: int = 0  # D

    @property
    def joint_channels(self) -> int:
        """E - D, of the joint space of image and text."""
        return int(self.keys.shape[1]) - self.middle_channels

    def without_middle(self) -> "Lesson":
        """What it teaches by the joint space alone, as lessons of former releases do."""
        n, pixels = self.joint_channels, self.pixels
        if pixels is not None:
            pixels = replace(pixels, tokens=pixels.tokens[:, :n].contiguous())
        return replace(self, keys=self.keys[:, :n].contiguous(), pixels=pixels, middle_channels=0)

    @cached_property
    def digest(self) -> str:
        """32 hex digits of its content."""
        return hashlib.blake2b(self.to_bytes(), digest_size=16).hexdigest()

    @property
    def format(self) -> str:
        """A lesson of a former release stays in its format, and so keeps its digest."""
        if self.keys.dtype == torch.int8:
            return FORMAT
        return FORMAT_WITHOUT_PIXELS if self.pixels is None else FORMAT_OF_LAST_BLOCK

    def to_bytes(self) -> bytes:
        tensors = {name: getattr(self, name) for name in TENSORS}
        about: dict[str, Any] = {"format": self.format, "space": self.space, "labels": self.labels}
        if self.pixels is not None:
            tensors |= self.pixels.tensors()
            about["pixel_features"] = FEATURES_NAME
        if self.middle_channels:
            about["middle_channels"] = self.middle_channels
        if self.kept_masks:
            about["kept_masks"] = self.kept_masks
        return save(tensors, {"lesson": json.dumps(about)})

    @staticmethod
    def from_bytes(data: bytes) -> "Lesson":
        """Raises ModelError, a ValueError, for bytes that are no lesson."""
        try:
            tensors, about = load(data), _metadata(data)
            if about["format"] not in FORMATS:
                raise ValueError(f"its format is {about['format']!r}")
            space, labels = about["space"], tuple(about["labels"])
            pixels = None  # also of features that are computed otherwise
            if about.get("pixel_features") == FEATURES_NAME:
                pixels = PixelSamples.of_tensors(tensors, len(labels))
            keys = {name: tensors[name] for name in TENSORS}
            kept_masks, middle = about.get("kept_masks", {}), about.get("middle_channels", 0)
            lesson = Lesson(
                space, labels, **keys, pixels=pixels, kept_masks=kept_masks, middle_channels=middle
            )
            lesson.check()
        except (
            SafetensorError,
            KeyError,
            TypeError,
            ValueError,
            IndexError,
            RecursionError,
        ) as error:
            raise ModelError(f"These {len(data)} bytes are no lesson ({error}).") from error
        return lesson

    @staticmethod
    def is_current(data: bytes) -> bool:
        """Whether bytes of a lesson hold all that this release's lessons hold.

        Raises ModelError, as `from_bytes`.
        """
        Lesson.from_bytes(data)
        about = _metadata(data)
        return (about["format"], about.get("pixel_features")) == (FORMAT, FEATURES_NAME)

    def check(self) -> None:
        """Raise ValueError unless the parts fit together."""
        if not isinstance(self.space, str) or not all(isinstance(n, str) for n in self.labels):
            raise ValueError("space and labels must be text")
        if self.keys.ndim != 2 or len(self.keys) > MAX_KEYS:
            raise ValueError(f"keys must be (up to {MAX_KEYS}, E), got {tuple(self.keys.shape)}")
        for name, dtypes in TENSORS.items():
            tensor = getattr(self, name)
            if tensor.dtype not in dtypes or len(tensor) != len(self.keys):
                raise ValueError(f"{name} is {tensor.dtype} of {tuple(tensor.shape)}")
            if name != "keys" and tensor.ndim != 1:
                raise ValueError(f"{name} must have one dimension")
        if self.pixels is not None and self.pixels.tokens.shape[1] != self.keys.shape[1]:
            raise ValueError("keys and tokens differ in their channels")
        middle, channels = self.middle_channels, self.keys.shape[1]
        if not isinstance(middle, int) or not 0 <= middle < channels:
            raise ValueError(f"{middle} of {channels} channels cannot be the middle block's")
        if not (torch.isfinite(self.keys).all() and torch.isfinite(self.masses).all()):
            raise ValueError("it holds numbers that are not finite")
        if (self.masses < 0).any():
            raise ValueError("a mass is negative")
        shares = self.kept_masks.values() if isinstance(self.kept_masks, dict) else [None]
        if not all(isinstance(share, float) and 0 <= share <= 1 for share in shares):
            raise ValueError(f"kept_masks must be shares, 0 to 1, got {self.kept_masks}")
        if (self.owners < BACKGROUND).any() or (self.owners >= len(self.labels)).any():
            raise ValueError("an owner is no index into the labels")


TENSORS = {
    "keys": (torch.int8, torch.float16),
    "owners": (torch.int16,),
    "masses": (torch.float32,),
    "was_wrong": (torch.bool,),
}


def _metadata(data: bytes) -> Mapping[str, Any]:
    """The header's own text; `load` has checked the bytes before."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata: Mapping[str, Any] = json.loads(header["__metadata__"]["lesson"])
    return metadata

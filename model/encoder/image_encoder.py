"""Images to dense features: a CLIP vision transformer read at each patch.

Shapes: B windows, H, W pixels, h, w patches, E channels of the joint space of image and text.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from open_clip.transformer import VisionTransformer
from torch import Tensor

from model.encoder.channel_suppression import channel_gains, largest_ffn_channels
from model.encoder.config import EncoderConfig
from model.encoder.global_view import global_view_windows, with_global_view
from model.encoder.paths import PathInput, dense_tokens
from model.encoder.published.itaclip_views import FLIPS, VIEWS
from model.encoder.published.resclip import TextQuery
from model.encoder.tower import Tower, TowerConfig
from model.encoder.tower_fit import fit_to_tower
from model.encoder.tower_traits import TowerTraits, measure_traits
from model.encoder.window_batches import batched_windows
from model.encoder.windows import TokenCanvas, WindowConfig, plan_windows
from model.errors import MethodError, ModelError
from model.features import DenseFeatures


class WindowTokens(NamedTuple):
    patches: Tensor  # (B, E, h, w)
    class_token: Tensor  # (B, E)
    middle: Tensor  # (B, D, h, w) of the middle block, D the tower's width


@dataclass(frozen=True, eq=False)
class ImageEncoder:
    visual: VisionTransformer
    mean: tuple[float, ...]  # of RGB in 0..1, as the checkpoint was trained
    std: tuple[float, ...]
    device: torch.device
    autocast_dtype: torch.dtype | None = None  # None: as the weights are
    _towers: dict[TowerConfig, Tower] = field(default_factory=dict, init=False, repr=False)

    @torch.inference_mode()
    def __call__(
        self,
        images: Sequence[NDArray[np.uint8]],
        windows: WindowConfig,
        config: EncoderConfig,
        queries: Sequence[TextQuery] = (),
    ) -> list[DenseFeatures]:
        """Dense features of RGB uint8 images (H, W, 3), their windows batched together.

        A config that reads text needs the query of each image.
        """
        features = self.encode_in_windows(images, windows, config, queries)
        if not windows.global_view_px:
            return features
        views = self.encode_in_windows(images, global_view_windows(windows), config, queries)
        return [
            with_global_view(one, view, windows.global_view_share)
            for one, view in zip(features, views, strict=True)
        ]

    def encode_in_windows(
        self,
        images: Sequence[NDArray[np.uint8]],
        windows: WindowConfig,
        config: EncoderConfig,
        queries: Sequence[TextQuery] = (),
    ) -> list[DenseFeatures]:
        """As the call, without the global view."""
        if config.reads_text and len(queries) != len(images):
            raise MethodError(
                f"The path '{config.path}' reads the words while it encodes: give the vocabulary "
                f"of each image ({len(queries)} for {len(images)} images)."
            )
        plans = [plan_windows(check_image(image), windows, self.patch_px) for image in images]
        canvases = [TokenCanvas(self.embed_dim, plan) for plan in plans]
        middles = [TokenCanvas(self.width, plan) for plan in plans]
        cls_tokens: list[list[Tensor]] = [[] for _ in images]
        stitch = config.last_block.stitch
        for batch in batched_windows(images, plans, n_heads=self.n_heads, stitch=stitch):
            inputs = PathInput(
                self._normalized(batch.pixels),
                batch.groups,
                [queries[image] for image, _ in batch.places] if queries else [],
            )
            encoded = (part.cpu() for part in self.encode_windows(inputs, windows, config))
            for (image, window), tokens, token, middle in zip(batch.places, *encoded, strict=True):
                canvases[image].add(window, tokens)
                middles[image].add(window, middle)
                cls_tokens[image].append(token)
        return [
            DenseFeatures(
                patch_tokens=canvas.mean(),
                cls_token=F.normalize(torch.stack(tokens).mean(dim=0), dim=0),
                image_hw=(image.shape[0], image.shape[1]),
                middle_tokens=middle.mean().half(),
            )
            for image, canvas, middle, tokens in zip(
                images, canvases, middles, cls_tokens, strict=True
            )
        ]

    @torch.inference_mode()
    def encode_windows(
        self, inputs: PathInput, windows: WindowConfig, config: EncoderConfig
    ) -> WindowTokens:
        """The tokens of windows, the patches averaged over the config's views.

        Only the plain view shares keys and values between windows.
        """
        plain = self.encode_view(inputs, config)
        tokens = plain.patches

        def encode_pixels(pixels: Tensor) -> Tensor:
            return self.encode_view(PathInput(pixels, queries=inputs.queries), config).patches

        if windows.views:
            versions = [encode_pixels(VIEWS[view](inputs.pixels)) for view in windows.views]
            tokens = torch.stack([tokens, *versions]).mean(dim=0)
        if windows.flip_share:
            flips = [encode_pixels(inputs.pixels.flip(dims)).flip(dims) for dims in FLIPS]
            flipped = torch.stack(flips).mean(dim=0)
            tokens = (1 - windows.flip_share) * tokens + windows.flip_share * flipped
        return plain._replace(patches=tokens)

    @torch.inference_mode()
    def encode_view(self, inputs: PathInput, config: EncoderConfig) -> WindowTokens:
        """The tokens of windows, of unit length."""
        inputs = replace(inputs, pixels=inputs.pixels.to(self.device))
        tower = self.tower(config.tower)
        with self._autocast():
            tokens = dense_tokens(tower, inputs, fit_to_tower(config, self.traits))
        grid_hw = tower.grid_hw(inputs.pixels)
        patches, middle = (
            part.transpose(1, 2).unflatten(2, grid_hw) for part in (tokens.patches, tokens.middle)
        )
        return WindowTokens(patches, tokens.class_token, middle)

    def tower(self, config: TowerConfig) -> Tower:
        """The image tower as a method runs it; built once for each config."""
        if config not in self._towers:
            self._towers[config] = Tower(self.visual, config, self._channel_gains(config))
        return self._towers[config]

    def _channel_gains(self, config: TowerConfig) -> dict[int, Tensor]:
        if not config.suppress_channels:
            return {}
        gains = channel_gains(
            largest_ffn_channels(self.visual),
            max_ratio=config.suppress_above,
            global_block=self.traits.global_block,
            width=self.width,
        )
        return {block: gain.to(self.device) for block, gain in gains.items()}

    @cached_property
    def traits(self) -> TowerTraits:
        """What was measured on the tower; on the first call only."""
        with torch.inference_mode(), self._autocast():
            return measure_traits(self.visual)

    @property
    def patch_px(self) -> int:
        return int(self.visual.patch_size[0])

    @property
    def embed_dim(self) -> int:
        return int(self.visual.proj.shape[1])

    @property
    def width(self) -> int:
        return int(self.visual.conv1.out_channels)

    @property
    def n_heads(self) -> int:
        return int(self.visual.transformer.resblocks[-1].attn.num_heads)

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.autocast_dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast_dtype)

    def _normalized(self, pixels: Tensor) -> Tensor:
        """uint8 pixels (B, 3, H, W) as floats with the mean and std of the checkpoint's
        training."""
        mean, std = (
            torch.tensor(values, device=self.device).view(3, 1, 1)
            for values in (self.mean, self.std)
        )
        return (pixels.to(self.device).float() / 255 - mean) / std


def check_image(image: NDArray[np.uint8]) -> tuple[int, int]:
    """Height and width in pixels of an RGB uint8 image (H, W, 3)."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ModelError(
            f"An image must be RGB uint8 of shape (H, W, 3), got {image.dtype} {image.shape}."
        )
    return image.shape[0], image.shape[1]

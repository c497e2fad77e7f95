"""Images to dense features: a CLIP vision transformer whose last block speaks for each patch.

Shapes: B windows, H, W pixels, h, w patches, N = 1 + h * w tokens (class token first), D channels,
E channels of the joint space of image and text.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.transformer import VisionTransformer
from torch import Tensor

from model.encoder.global_context import (
    LoudChannel,
    channel_gains,
    find_global_block,
    loud_channels,
)
from model.encoder.global_view import glance_method, in_light_of
from model.encoder.paths import Tower, reshaped_path
from model.encoder.published.gem_clip_surgery import parallel_path
from model.encoder.published.itaclip_views import FLIPS, VIEWS
from model.encoder.published.resclip import feedback_path
from model.encoder.published.rf_clip import refocused_path
from model.encoder.stitching import Chunk
from model.encoder.vit import class_output, project
from model.encoder.window_batches import batched_windows
from model.encoder.windows import TokenCanvas, plan_windows
from model.errors import MethodError, ModelError, unknown_name
from model.methods import MethodConfig, at_depth


@dataclass(frozen=True, eq=False)
class DenseFeatures:
    """One image in the joint space: `patch_tokens` (E, h, w) over the resized image, float32.

    Unit length within a window, then averaged over the windows that share a patch; with a glance
    of unit length.
    """

    patch_tokens: Tensor
    cls_token: Tensor  # (E,), unit length: mean of the windows' class tokens
    image_hw: tuple[int, int]  # of the original image, pixels


@dataclass(frozen=True, eq=False)
class ImageEncoder:
    visual: VisionTransformer
    mean: tuple[float, ...]  # of RGB in 0..1, what the checkpoint was trained with
    std: tuple[float, ...]
    device: torch.device
    autocast_dtype: torch.dtype | None = None  # None: as the weights are

    @torch.inference_mode()
    def __call__(
        self,
        images: Sequence[np.ndarray],
        method: MethodConfig,
        text_embeds: Sequence[Tensor] = (),
    ) -> list[DenseFeatures]:
        """Dense features of RGB uint8 images (H, W, 3), their windows batched together.

        Methods with feedback need the text embeds (R, E) of each image's vocabulary.
        """
        features = self.encode_in_windows(images, method, text_embeds)
        if not method.glance_px:
            return features
        glances = self.encode_in_windows(images, glance_method(method), text_embeds)
        return [
            replace(
                own,
                patch_tokens=in_light_of(
                    own.patch_tokens, glance.patch_tokens, method.glance_share
                ),
            )
            for own, glance in zip(features, glances, strict=True)
        ]

    def encode_in_windows(
        self,
        images: Sequence[np.ndarray],
        method: MethodConfig,
        text_embeds: Sequence[Tensor] = (),
    ) -> list[DenseFeatures]:
        """As the call, without the glance."""
        if method.feedback_share and len(text_embeds) != len(images):
            raise MethodError(
                f"Method '{method.name}' reads the words while it encodes: give a vocabulary."
            )
        plans = [plan_windows(check_image(image), method, self.patch_px) for image in images]
        canvases = [TokenCanvas(self.embed_dim, plan) for plan in plans]
        cls_tokens: list[list[Tensor]] = [[] for _ in images]
        n_heads = self.visual.transformer.resblocks[-1].attn.num_heads
        for batch in batched_windows(images, plans, n_heads, method.stitch):
            texts = [text_embeds[image] for image, _ in batch.places] if text_embeds else []
            pixels = self._normalise(batch.pixels)
            patch_tokens, class_tokens = self.encode_windows(pixels, method, texts, batch.chunks)
            patch_tokens, class_tokens = patch_tokens.cpu(), class_tokens.cpu()
            for (image, window), tokens, token in zip(
                batch.places, patch_tokens, class_tokens, strict=True
            ):
                canvases[image].add(window, tokens)
                cls_tokens[image].append(token)
        return [
            DenseFeatures(
                patch_tokens=canvas.mean(),
                cls_token=F.normalize(torch.stack(tokens).mean(dim=0), dim=0),
                image_hw=(image.shape[0], image.shape[1]),
            )
            for image, canvas, tokens in zip(images, canvases, cls_tokens, strict=True)
        ]

    @torch.inference_mode()
    def encode_windows(
        self,
        pixels: Tensor,
        method: MethodConfig,
        text_embeds: Sequence[Tensor] = (),
        chunks: tuple[Chunk, ...] = (),
    ) -> tuple[Tensor, Tensor]:
        """Patch tokens (B, E, h, w) and class tokens (B, E) of pixels (B, 3, H, W).

        Unit length, or the mean over the method's views; only the plain view sees other windows.
        """
        tokens, class_tokens = self.encode_view(pixels, method, text_embeds, chunks)
        if method.views:
            looks = [VIEWS[view](pixels) for view in method.views]
            tokens = torch.stack(
                [tokens, *(self.encode_view(look, method, text_embeds)[0] for look in looks)]
            ).mean(dim=0)
        if method.flip_share:
            flipped = torch.stack(
                [
                    self.encode_view(pixels.flip(dims), method, text_embeds)[0].flip(dims)
                    for dims in FLIPS
                ]
            ).mean(dim=0)
            tokens = (1 - method.flip_share) * tokens + method.flip_share * flipped
        return tokens, class_tokens

    @torch.inference_mode()
    def encode_view(
        self,
        pixels: Tensor,
        method: MethodConfig,
        text_embeds: Sequence[Tensor] = (),
        chunks: tuple[Chunk, ...] = (),
    ) -> tuple[Tensor, Tensor]:
        """Unit patch tokens (B, E, h, w) and class tokens (B, E) of pixels (B, 3, H, W)."""
        pixels = pixels.to(self.device)
        method = at_depth(method, len(self.visual.transformer.resblocks))
        tower = Tower(self.visual, self.global_block, self._gains(method), chunks)
        with self._autocast():
            tokens, class_tokens = dense_tokens(tower, pixels, method, text_embeds)
        grid_hw = pixels.shape[2] // self.patch_px, pixels.shape[3] // self.patch_px
        return tokens.transpose(1, 2).unflatten(2, grid_hw), class_tokens

    @cached_property
    def global_block(self) -> int:
        """The block where global tokens emerge, 1 to L."""
        with torch.inference_mode():
            return find_global_block(self.visual)

    @cached_property
    def loud_channels(self) -> list[LoudChannel]:
        """The loudest feed-forward channel of each block."""
        return loud_channels(self.visual)

    def _gains(self, method: MethodConfig) -> dict[int, Tensor]:
        if not method.suppress_channels:
            return {}
        width = self.visual.conv1.out_channels
        gains = channel_gains(self.loud_channels, method, self.global_block, width)
        return {block: gain.to(self.device) for block, gain in gains.items()}

    @property
    def patch_px(self) -> int:
        return int(self.visual.patch_size[0])

    @property
    def embed_dim(self) -> int:
        return int(self.visual.proj.shape[1])

    def _autocast(self) -> contextlib.AbstractContextManager:
        if self.autocast_dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast_dtype)

    def _normalise(self, pixels: Tensor) -> Tensor:
        """uint8 pixels (B, 3, H, W) as the floats of the checkpoint's training."""
        mean, std = (
            torch.tensor(values, device=self.device).view(3, 1, 1)
            for values in (self.mean, self.std)
        )
        return (pixels.to(self.device).float() / 255 - mean) / std


def dense_tokens(
    tower: Tower, pixels: Tensor, method: MethodConfig, text_embeds: Sequence[Tensor] = ()
) -> tuple[Tensor, Tensor]:
    """Unit patch tokens (B, P, E) of normalised pixels, and CLIP's own image embeddings (B, E)."""
    if method.feedback_share:
        patches, before_last = feedback_path(tower, pixels, method, text_embeds)
    elif method.path in PATHS:
        patches, before_last = PATHS[method.path](tower, pixels, method)
    else:
        raise unknown_name("path", method.path, PATHS)
    class_tokens = class_output(tower.visual, before_last, method)
    return project(tower.visual, patches, method), class_tokens


PATHS = {
    "reshaped": reshaped_path,
    "parallel": parallel_path,
    "refocused": refocused_path,
}


def check_image(image: np.ndarray) -> tuple[int, int]:
    """Height and width in pixels of an RGB uint8 image (H, W, 3)."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ModelError(
            f"An image must be RGB uint8 of shape (H, W, 3), got {image.dtype} {image.shape}."
        )
    return image.shape[0], image.shape[1]

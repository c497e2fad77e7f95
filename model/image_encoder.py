"""Images to dense features: a CLIP vision transformer whose last block speaks for each patch.

Shapes: B windows, H, W pixels, h, w patches, N = 1 + h * w tokens (class token first), D channels,
E channels of the joint space of image and text.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import Tensor

from model.attention import get_attention, merge_heads, neighbour_bias, split_heads
from model.errors import ModelError
from model.methods import MethodConfig
from model.vit import Trace, embed, project, run_block
from model.windows import TokenCanvas, WindowPlan, cut, plan_windows, resize_image

# Entries of the attention maps of one batch: 2**26 floats are 256 MB.
MAX_ATTENTION_ENTRIES = 2**26
MAX_BATCH = 64


@dataclass(frozen=True, eq=False)
class DenseFeatures:
    """One image in the joint space: `patch_tokens` (E, h, w) over the resized image, float32.

    Unit length within a window, then averaged over the windows that share a patch.
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
    def __call__(self, images: Sequence[np.ndarray], method: MethodConfig) -> list[DenseFeatures]:
        """Dense features of RGB uint8 images (H, W, 3), their windows batched together."""
        plans = [plan_windows(check_image(image), method, self.patch_px) for image in images]
        canvases = [TokenCanvas(self.embed_dim, plan) for plan in plans]
        cls_tokens: list[list[Tensor]] = [[] for _ in images]
        for places, pixels in self._batches(images, plans):
            patch_tokens, class_tokens = self.encode_windows(pixels, method)
            patch_tokens, class_tokens = patch_tokens.cpu(), class_tokens.cpu()
            for (image, window), tokens, token in zip(
                places, patch_tokens, class_tokens, strict=True
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
    def encode_windows(self, pixels: Tensor, method: MethodConfig) -> tuple[Tensor, Tensor]:
        """Unit patch tokens (B, E, h, w) and class tokens (B, E) of pixels (B, 3, H, W)."""
        pixels = pixels.to(self.device)
        with self._autocast():
            tokens = dense_tokens(self.visual, pixels, method)  # (B, N, E)
        grid_hw = pixels.shape[2] // self.patch_px, pixels.shape[3] // self.patch_px
        return tokens[:, 1:].transpose(1, 2).unflatten(2, grid_hw), tokens[:, 0]

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

    def _batches(
        self, images: Sequence[np.ndarray], plans: Sequence[WindowPlan]
    ) -> Iterator[tuple[list[tuple[int, int]], Tensor]]:
        """Windows of equal size from all images, with their (image, window) places."""
        places: list[tuple[int, int]] = []
        windows: list[Tensor] = []
        order = sorted(range(len(plans)), key=lambda index: plans[index].window_hw)
        for image in order:
            plan = plans[image]
            pixels = resize_image(images[image], plan.resized_hw)
            for window, crop in enumerate(cut(pixels, plan)):
                if windows and (
                    crop.shape != windows[0].shape or len(windows) >= batch_limit(self.visual, plan)
                ):
                    yield places, self._normalise(windows)
                    places, windows = [], []
                places.append((image, window))
                windows.append(crop)
        if windows:
            yield places, self._normalise(windows)

    def _normalise(self, windows: Sequence[Tensor]) -> Tensor:
        """Stack uint8 windows as the float pixels (B, 3, H, W) of the checkpoint's training."""
        pixels = torch.stack(list(windows)).to(self.device).float() / 255
        mean, std = (
            torch.tensor(values, device=self.device).view(3, 1, 1)
            for values in (self.mean, self.std)
        )
        return (pixels - mean) / std


def dense_tokens(visual: VisionTransformer, pixels: Tensor, method: MethodConfig) -> Tensor:
    """Unit tokens (B, N, E) in the joint space: plain blocks, then the last one reshaped."""
    trace = run_trunk(visual, pixels, method)
    blocks = visual.transformer.resblocks
    x = trace.outputs[len(blocks) - 1]
    return project(visual, reshaped_block(blocks[-1], x, trace, method))


def run_trunk(visual: VisionTransformer, pixels: Tensor, method: MethodConfig) -> Trace:
    """All blocks but the last, as trained."""
    patch_px = visual.patch_size[0]
    trace = Trace(grid_hw=(pixels.shape[2] // patch_px, pixels.shape[3] // patch_px))
    blocks = visual.transformer.resblocks
    x = embed(visual, pixels, method.position_offset)
    for block in blocks[:-1]:
        x = run_block(block, x)
    trace.outputs[len(blocks) - 1] = x
    return trace


def reshaped_block(
    block: ResidualAttentionBlock, x: Tensor, trace: Trace, method: MethodConfig
) -> Tensor:
    """The last block (B, N, D) with the method's attention, with or without its other parts.

    Residual and feed-forward carry what is common to all patches; without them (ClearCLIP,
    2407.12442) a patch says what it is itself.
    """
    heads = split_heads(block.attn, block.ln_1(x))
    bias = None
    if method.gaussian_std:
        bias = neighbour_bias(trace.grid_hw, method.gaussian_std).to(x)
    weights = get_attention(method.attention)(heads, bias)  # (B, heads, N, N)
    attended = block.ls_1(merge_heads(block.attn, weights @ heads.v))
    x = x + attended if method.residual else attended
    return x + block.ls_2(block.mlp(block.ln_2(x))) if method.ffn else x


def batch_limit(visual: VisionTransformer, plan: WindowPlan) -> int:
    """How many windows of this size go through the tower at once."""
    height, width = plan.window_hw
    tokens = 1 + (height // plan.patch_px) * (width // plan.patch_px)
    heads = visual.transformer.resblocks[-1].attn.num_heads
    return max(1, min(MAX_BATCH, MAX_ATTENTION_ENTRIES // (heads * tokens**2)))


def check_image(image: np.ndarray) -> tuple[int, int]:
    """Height and width in pixels of an RGB uint8 image (H, W, 3)."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ModelError(
            f"An image must be RGB uint8 of shape (H, W, 3), got {image.dtype} {image.shape}."
        )
    return image.shape[0], image.shape[1]

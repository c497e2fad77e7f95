"""Windows of several images in batches of bounded memory.

Windows that see each other (`stitch`) stay together, whatever else is in the batch, so that an
image's features do not depend on its company.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.encoder.stitching import Chunk
from model.encoder.windows import WindowPlan, cut, resize_image

# Entries of the attention maps of one batch: 2**26 floats are 256 MB.
MAX_ATTENTION_ENTRIES = 2**26
MAX_WINDOWS = 64
MAX_STITCHED = 16  # windows that see each other


@dataclass(frozen=True, eq=False)
class Batch:
    places: tuple[tuple[int, int], ...]  # (image, window) of each
    pixels: Tensor  # (B, 3, H, W) uint8
    chunks: tuple[Chunk, ...]  # only where windows see each other


def batched_windows(
    images: Sequence[np.ndarray], plans: Sequence[WindowPlan], n_heads: int, stitch: bool
) -> Iterator[Batch]:
    """All windows of all images (H, W, 3), those of one size together."""
    pending: list[tuple[int, int]] = []
    windows: list[Tensor] = []
    chunks: list[Chunk] = []

    def flush() -> Iterator[Batch]:
        if windows:
            yield Batch(tuple(pending), torch.stack(windows), tuple(chunks))
        for part in (pending, windows, chunks):
            part.clear()

    for image in sorted(range(len(plans)), key=lambda index: plans[index].window_hw):
        plan = plans[image]
        limit = windows_at_once(plan, n_heads)
        group_size = stitched_at_once(plan, limit) if stitch else 1
        crops = list(cut(resize_image(images[image], plan.resized_hw), plan))
        for start in range(0, len(crops), group_size):
            group = crops[start : start + group_size]
            other_size = windows and windows[0].shape != group[0].shape
            if other_size or len(windows) + len(group) > limit:
                yield from flush()
            if stitch:
                places = slice(len(windows), len(windows) + len(group))
                chunks.append(Chunk(places, _in_patches(plan, start, len(group))))
            pending.extend((image, start + index) for index in range(len(group)))
            windows.extend(group)
    yield from flush()


def windows_at_once(plan: WindowPlan, n_heads: int) -> int:
    """How many windows of this size go through the tower at once."""
    return max(1, min(MAX_WINDOWS, MAX_ATTENTION_ENTRIES // (n_heads * plan.window_tokens**2)))


def stitched_at_once(plan: WindowPlan, limit: int) -> int:
    """How many windows of this size see each other: their bias is (W * N)**2 entries."""
    return max(1, min(MAX_STITCHED, limit, int(MAX_ATTENTION_ENTRIES**0.5 / plan.window_tokens)))


def _in_patches(plan: WindowPlan, start: int, count: int) -> tuple[tuple[int, int], ...]:
    corners = plan.corners_yx[start : start + count]
    return tuple((y // plan.patch_px, x // plan.patch_px) for y, x in corners)

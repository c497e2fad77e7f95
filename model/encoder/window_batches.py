"""Windows of several images in batches of bounded memory.

Windows that share keys and values (`stitch`) stay together, whatever else is in the batch, so that
an image's features do not depend on which images are encoded with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.encoder.stitching import WindowGroup
from model.encoder.windows import WindowPlan, cut, resize_image

# Entries of the attention maps of one batch: 2**26 floats are 256 MB.
MAX_ATTENTION_ENTRIES = 2**26
MAX_WINDOWS = 64
MAX_STITCHED = 16  # windows that share keys and values


@dataclass(frozen=True, eq=False)
class WindowBatch:
    places: tuple[tuple[int, int], ...]  # (image, window) of each
    pixels: Tensor  # (B, 3, H, W) uint8
    groups: tuple[WindowGroup, ...]  # only with stitching


def batched_windows(
    images: Sequence[NDArray[np.uint8]], plans: Sequence[WindowPlan], *, n_heads: int, stitch: bool
) -> Iterator[WindowBatch]:
    """All windows of all images (H, W, 3), those of one size together."""
    places: list[tuple[int, int]] = []
    windows: list[Tensor] = []
    groups: list[WindowGroup] = []

    def flush() -> Iterator[WindowBatch]:
        if windows:
            yield WindowBatch(tuple(places), torch.stack(windows), tuple(groups))
        for part in (places, windows, groups):
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
                indices = slice(len(windows), len(windows) + len(group))
                corners = _corners_in_patches(plan, start, len(group))
                groups.append(WindowGroup(indices, corners, plan.window_grid_hw))
            places.extend((image, start + index) for index in range(len(group)))
            windows.extend(group)
    yield from flush()


def windows_at_once(plan: WindowPlan, n_heads: int) -> int:
    """How many windows of this size go through the tower at once."""
    return max(1, min(MAX_WINDOWS, MAX_ATTENTION_ENTRIES // (n_heads * plan.window_tokens**2)))


def stitched_at_once(plan: WindowPlan, limit: int) -> int:
    """How many windows of this size share keys and values: their bias has (W * N)**2 entries."""
    return max(1, min(MAX_STITCHED, limit, int(MAX_ATTENTION_ENTRIES**0.5 / plan.window_tokens)))


def _corners_in_patches(plan: WindowPlan, start: int, count: int) -> tuple[tuple[int, int], ...]:
    corners = plan.corners_yx[start : start + count]
    return tuple((y // plan.patch_px, x // plan.patch_px) for y, x in corners)

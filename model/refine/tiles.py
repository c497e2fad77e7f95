"""Full resolution in tiles, so that a large image with many classes is never one (K, H, W) tensor.

A refiner works at a small size and returns a `Sampler`, which computes the probabilities of any
tile of the full image, and only of the classes that are near the tile.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

TILE_SIDE_PX = 256
# Of tiles and of working sizes, in sides of the square of the same area. Only images of more than
# 64 : 1 are shrunk further along their long side: work and memory then grow with the area alone.
LONGEST_TILE_SIDES = 16
LONGEST_WORKING_SIDES = 8


class Tile(NamedTuple):
    """Rows top..bottom and columns left..right (ends excluded) of the full image."""

    top: int
    bottom: int
    left: int
    right: int


class Sampler(Protocol):
    """Class probabilities at working size that can be read at full size, tile by tile."""

    @property
    def coarse(self) -> Tensor:
        """Probs (K, h, w) at working size."""

    def __call__(self, tile: Tile, classes: Tensor) -> Tensor:
        """Probs (k, bottom-top, right-left) of the k `classes`, summing to 1 over them."""


@dataclass(frozen=True)
class BilinearSampler:
    """Bilinear interpolation of the coarse probs; unchanged where the sizes agree."""

    coarse: Tensor  # (K, h, w)
    image_hw: tuple[int, int]

    def __call__(self, tile: Tile, classes: Tensor) -> Tensor:
        return normalized(bilinear_tile(self.coarse[classes], tile, self.image_hw))


def tiles_of(height_px: int, width_px: int, side_px: int = TILE_SIDE_PX) -> Iterator[Tile]:
    """Cover the image with tiles of at most `side_px`² pixels; the last ones are smaller.

    Square ones, but along a narrow image longer ones, so that there are not many more of them.
    """
    rows_px, columns_px = _tile_side(width_px, side_px), _tile_side(height_px, side_px)
    for top in range(0, height_px, rows_px):
        for left in range(0, width_px, columns_px):
            yield Tile(top, min(top + rows_px, height_px), left, min(left + columns_px, width_px))


def _tile_side(across_px: int, side_px: int) -> int:
    """The length of tiles that are as wide as an image of `across_px`, or `side_px`."""
    return min(side_px * side_px // min(across_px, side_px), LONGEST_TILE_SIDES * side_px)


def classes_in(tile: Tile, coarse: Tensor, image_hw: tuple[int, int], floor: float) -> Tensor:
    """Indices (k,) of the classes with a prob above `floor` in or beside the tile; at least one."""
    rows = _cells(tile.top, tile.bottom, image_hw[0], coarse.shape[1])
    columns = _cells(tile.left, tile.right, image_hw[1], coarse.shape[2])
    return classes_above(coarse[:, rows, columns], floor)


def classes_above(probs: Tensor, floor: float) -> Tensor:
    """Indices (k,) of the classes of (K, h, w) whose highest prob reaches `floor`; at least one."""
    highest = probs.amax(dim=(1, 2))
    return (highest >= highest.max().clamp_max(floor)).nonzero()[:, 0]


def normalized(probs: Tensor) -> Tensor:
    """Probs (K, H, W) clipped to at least 1e-6 and divided by their sum over K."""
    probs = probs.clamp_min(1e-6)
    return probs / probs.sum(dim=0, keepdim=True)


def bilinear_tile(coarse: Tensor, tile: Tile, image_hw: tuple[int, int]) -> Tensor:
    """The tile of (C, h, w) enlarged to `image_hw`: F.interpolate with align_corners=False."""
    rows = _cells(tile.top, tile.bottom, image_hw[0], coarse.shape[1])
    columns = _cells(tile.left, tile.right, image_hw[1], coarse.shape[2])
    to_rows = _bilinear_weights(tile.top, tile.bottom, image_hw[0], coarse.shape[1], rows)
    to_columns = _bilinear_weights(tile.left, tile.right, image_hw[1], coarse.shape[2], columns)
    block = coarse[:, rows, columns]
    return to_rows.to(block) @ block @ to_columns.to(block).T


def resize(maps: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Resize (C, H, W) to float32: the covered pixels' mean when smaller, bilinear when larger."""
    if tuple(maps.shape[1:]) == size_hw:
        return maps.float()
    if maps.device.type != "cpu":
        maps = maps.float()  # only the CPU resizes bytes, which spares it a fourfold copy
    return F.interpolate(maps[None], size=size_hw, mode="bilinear", antialias=True)[0].float()


def sample(image: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """The pixels (C, h, w) of (C, H, W) at the centers of h x w cells, as they are, float32."""
    rows, columns = (
        ((torch.arange(cells, device=image.device) + 0.5) * (full / cells)).long()
        for cells, full in zip(size_hw, image.shape[1:], strict=True)
    )
    return image[:, rows[:, None], columns].float()


def working_size(image_hw: tuple[int, int], pixels: int) -> tuple[int, int]:
    """Height and width of the image shrunk (never enlarged) to about `pixels`, each at least 1.

    No side is longer than LONGEST_WORKING_SIDES times that of the square of so many pixels.
    """
    height_px, width_px = image_hw
    factor = min(1.0, (pixels / (height_px * width_px)) ** 0.5)
    longest = max(1, round(LONGEST_WORKING_SIDES * pixels**0.5))
    height, width = (min(max(1, round(side * factor)), longest) for side in image_hw)
    return height, width


def _cells(start: int, stop: int, full: int, coarse: int) -> slice:
    """The coarse cells that pixels start..stop touch when read bilinearly."""
    scale = coarse / full
    first = int((start + 0.5) * scale - 0.5)
    last = int((stop - 0.5) * scale - 0.5) + 1
    return slice(max(0, first), min(coarse, last + 1))


def _bilinear_weights(start: int, stop: int, full: int, coarse: int, cells: slice) -> Tensor:
    """Weights (stop-start, cells) that read coarse cells at the centers of full pixels."""
    # float64: at 8000 px a float32 position is off by 1e-4 of a cell.
    position = (torch.arange(start, stop, dtype=torch.float64) + 0.5) * (coarse / full) - 0.5
    position = position.clamp(0, coarse - 1)
    centers = torch.arange(cells.start, cells.stop, dtype=torch.float64)
    return (1 - (position[:, None] - centers).abs()).clamp_min(0)

"""Outlines of a mask between its pixels, whose filling gives back the mask, pixel for pixel.

A pixel at column 3 reaches from x = 3 to x = 4. OpenCV's contours run through the centers of
pixels: they take half a pixel off each side, and all of a line one pixel wide.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backend.masks.side_loops import SideLoops, side_loops


@dataclass(frozen=True)
class Outline:
    half_px: npt.NDArray[
        np.int32
    ]  # (N, 2) int32 of x, y in half pixels; the mask lies on the right-hand side
    area_px: float  # of the pixels within, those of holes included
    holes: tuple["Outline", ...] = ()  # largest first


def mask_outlines(
    mask: npt.NDArray[np.bool_],
    min_area_px: float = 0.0,
    *,
    max_parts: int | None = None,
    max_holes: int | None = None,
) -> list[Outline]:
    """The 8-connected parts of a bool mask (H, W) as outlines with holes, largest first.

    Parts and holes around less than `min_area_px` are left out, but never the largest part; so are
    all but the largest `max_parts`, and all but the largest `max_holes` of each part.
    """
    loops = side_loops(mask, min_area_px)
    if loops is None:
        return []
    heads, areas_px, points = loops.ordered[loops.begins], loops.areas_px(), _points(loops)
    largest_first = np.argsort(-np.abs(areas_px), kind="stable")
    n_large = max(1, np.count_nonzero(areas_px >= min_area_px))
    parts = [k for k in largest_first if areas_px[k] > 0][:n_large][:max_parts]

    holes_of: dict[int, list[Outline]] = {heads[k]: [] for k in parts}
    large_holes = [k for k in largest_first if -areas_px[k] >= min_area_px]
    for k, part in zip(large_holes, loops.parts_around(heads[large_holes]), strict=True):
        if part in holes_of:
            holes_of[part].append(Outline(points[k], -float(areas_px[k])))
    return [
        Outline(points[k], float(areas_px[k]), tuple(holes_of[heads[k]][:max_holes])) for k in parts
    ]


def _points(loops: SideLoops) -> list[npt.NDArray[np.int32]]:
    """The points (N, 2) of each loop in half pixels: its corners, but steps of one pixel are cut.

    A step is an edge at whose ends the outline turns to different sides. A step of one pixel
    becomes its middle, and its corners are dropped where the next edge is a step, too. Slanted
    edges become nearly straight, and the center of every pixel stays on its side of the outline.
    """
    ordered, following = loops.ordered, loops.following
    turn = np.flatnonzero(loops.x[ordered] != loops.x[following[ordered]])
    here = ordered[turn]
    there = following[here]
    ends = np.searchsorted(turn, np.append(loops.begins[1:], ordered.size))
    later = np.arange(1, turn.size + 1)  # the next turn of the loop
    later[ends - 1] = np.concatenate(([0], ends[:-1]))
    # At each turn a horizontal edge from x0 to x1 at y0, then a vertical one from y0 to y1 at x1.
    x0, x1 = loops.x[here], loops.x[there]
    y0 = loops.y[here] + (here & 1)
    y1 = y0[later]

    is_right = x1 > x0
    across, down = (here & 1) == (there & 1), is_right == is_right[later]  # is it a step?
    cut_across, cut_down = across & (np.abs(x1 - x0) == 1), down & (np.abs(y1 - y0) == 1)
    is_kept = np.empty((turn.size, 4), np.bool_)
    is_kept[later, 0] = ~(down & across[later] & (cut_down | cut_across[later]))
    is_kept[:, 1] = cut_across
    is_kept[:, 2] = ~(across & down & (cut_across | cut_down))
    is_kept[:, 3] = cut_down
    points = np.empty((turn.size, 4, 2), np.int32)
    points[:, 0, 0], points[:, 1, 0], points[:, 2:, 0] = 2 * x0, x0 + x1, 2 * x1[:, None]
    points[:, :3, 1], points[:, 3, 1] = 2 * y0[:, None], y0 + y1
    kept = np.flatnonzero(is_kept)
    return np.split(points.reshape(-1, 2).take(kept, axis=0), np.searchsorted(kept, 4 * ends[:-1]))

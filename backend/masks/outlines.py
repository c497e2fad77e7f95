"""The outlines of a mask, exactly between its pixels.

A pixel at column 3 reaches from x = 3 to x = 4. cv2's contours run through the centres of pixels:
they take half a pixel off each side, and all of a line one pixel wide.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ring:
    corners: np.ndarray  # (N, 2) int of x, y; the mask lies on the right hand
    area: float  # signed: positive around a part of the mask, negative around a hole
    inside_xy: tuple[float, float]  # centre of a pixel of the mask that touches the ring


def mask_outlines(mask: np.ndarray, min_area_px: float = 0.0) -> list[Ring]:
    """The closed outlines of a bool mask (H, W), largest first.

    Those around less than `min_area_px` are left out, but never the largest. Pixels that touch only
    at a corner are separate parts.
    """
    # A corner is a point of the pixel grid where an outline turns. On each grid row, and on each
    # grid column, corners 2k and 2k + 1 are the ends of one edge: no pixel need be followed.
    padded = np.pad(mask, 1)
    changes = padded[:, :-1] ^ padded[:, 1:]
    above, below = changes[:-1], changes[1:]  # is there an edge above, below each grid point?
    touches = above & below & (padded[:-1, :-1] ^ padded[1:, :-1])  # two outlines: two corners
    twice = np.flatnonzero(touches)
    corners = np.sort(np.concatenate((np.flatnonzero(above ^ below), twice, twice)))
    if not corners.size:
        return []
    y, x = np.divmod(corners, above.shape[1])

    # Of two corners in one place the first ends the edge from the left. It also ends the edge from
    # above where the mask is up left (and down right), and else begins the edge below.
    is_second = np.concatenate(([False], corners[1:] == corners[:-1]))
    begins_below = is_second ^ (touches.ravel()[corners] & ~padded[y, x])
    by_columns = np.lexsort((begins_below, y, x))
    vertical_end = np.empty_like(corners)
    vertical_end[by_columns] = by_columns.reshape(-1, 2)[:, ::-1].ravel()

    is_below = padded[y[::2] + 1, x[::2] + 1]  # is the mask below each horizontal edge?
    order, firsts, edges = _walk(vertical_end.tolist(), is_below.tolist())
    inside = np.stack((x[::2] + 0.5, y[::2] + np.where(is_below, 0.5, -0.5)), axis=1)[edges]
    points = np.stack((x, y), axis=1)[order]  # (C, 2), ring by ring
    ends = np.append(firsts[1:], order.size)
    areas = _signed_areas(points, firsts, ends)

    largest_first = np.argsort(-np.abs(areas), kind="stable")
    n_kept = max(1, np.count_nonzero(np.abs(areas) >= min_area_px))
    return [
        Ring(
            points[firsts[k] : ends[k]], float(areas[k]), (float(inside[k, 0]), float(inside[k, 1]))
        )
        for k in largest_first[:n_kept]
    ]


def _walk(
    vertical_end: list[int], is_below: list[bool]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Follow the edges: all corners ring by ring, where each ring begins, its first edge.

    Corners 2k and 2k + 1 are the left and right end of horizontal edge k. An edge above the mask is
    taken to the right and one below it to the left, so the mask stays on the right hand.
    """
    order: list[int] = []
    firsts: list[int] = []
    edges: list[int] = []
    is_new = [True] * len(is_below)
    for edge, below in enumerate(is_below):
        if not is_new[edge]:
            continue
        firsts.append(len(order))
        edges.append(edge)
        at = 2 * edge if below else 2 * edge + 1
        while is_new[at >> 1]:
            is_new[at >> 1] = False
            order += (at, at ^ 1)
            at = vertical_end[at ^ 1]
    return np.array(order), np.array(firsts), np.array(edges)


def _signed_areas(points: np.ndarray, firsts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    following = np.arange(1, len(points) + 1)
    following[ends - 1] = firsts
    x, y = points.T
    return np.add.reduceat(x * y[following] - x[following] * y, firsts) / 2

"""Boundary tracing between pixels (crack following), in NumPy without a loop over pixels.

A *run* is an unbroken stretch of mask pixels in a row, and its *sides* are the vertical pixel edges
at its left (even numbers) and right end (odd numbers). Left sides are followed upwards and right
sides downwards, so the mask lies on the right-hand side of every loop. Parts of the mask are
8-connected and holes 4-connected: a slanted line one pixel wide is one part.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

SHORT_DOUBLINGS = 4  # loops of up to 2**4 sides are measured, and specks dropped, before the others


@dataclass(frozen=True)
class SideLoops:
    x: Ints  # (S,) of each side
    y: Ints  # (S,) of the side's upper end; that of the lower end is one more
    following: Ints  # (S,) the next side of the same loop
    head: Ints  # (S,) the lowest side of the same loop, if not of a speck
    ordered: Ints  # (K,) the sides of the loops worth keeping: loop by loop, heads first
    begins: Ints  # (L,) where each of those loops begins in `ordered`

    def areas_px(self) -> Ints:
        """The area within each loop, (L,): positive around a part, negative around a hole."""
        x = self.x[self.ordered]
        return np.add.reduceat(np.where(self.ordered & 1, x, -x), self.begins)

    def parts_around(self, holes: Ints) -> Ints:
        """The heads of the parts that have the holes with these heads."""
        around = holes.copy()
        while (is_hole := around & 1 == 1).any():
            # A hole begins at the right side of a run: ask for the loop of its left side.
            around[is_hole] = self.head[around[is_hole] - 1]
        return around


def side_loops(mask: Mask, min_area_px: float = 0.0) -> SideLoops | None:
    """The loops of a bool mask (H, W); None for an empty mask.

    Many, but not all, of the loops around less than `min_area_px` are left out; the largest never.
    """
    stride_px = mask.shape[1] + 1
    position = _side_positions(mask)
    if not position.size:
        return None
    y, x = np.divmod(position, stride_px)
    following = _following_sides(position, stride_px)
    head, ordered = _ordered_loops(following, x, min_area_px)
    return SideLoops(x, y, following, head, ordered, np.flatnonzero(head[ordered] == ordered))


def _side_positions(mask: Mask) -> Ints:
    """Where the sides are, (S,), in an image with one more, empty, column: y * (W + 1) + x."""
    height_px, width_px = mask.shape
    padded = np.zeros(height_px * (width_px + 1) + 1, np.bool_)
    padded[1:].reshape(height_px, -1)[:, :width_px] = mask
    return np.flatnonzero(padded[1:] != padded[:-1])


def _following_sides(position: Ints, stride_px: int) -> Ints:
    """The next side, (S,), of each: on the row above or below, or at a turn on the same row."""
    starts, ends = position.reshape(-1, 2).T.copy()
    run = np.arange(starts.size)
    # Runs first_above to end_above - 1 of the row above touch a run, if only at a corner.
    first_above = np.searchsorted(ends, starts - stride_px, "left")
    end_above = np.searchsorted(starts, ends - stride_px, "right")
    # Upwards: on along the first run above, unless the run to the left touches that, too.
    left_end_above = np.concatenate(([0], end_above[:-1]))
    from_left = np.where(left_end_above > first_above, 2 * run - 1, 2 * first_above)
    from_left = np.where(end_above > first_above, from_left, 2 * run + 1)
    # Downwards: on along the last run below, unless the run to the right touches that, too.
    last_below = np.cumsum(np.bincount(first_above, minlength=run.size + 1))[: run.size] - 1
    touched_end = np.where(last_below < 0, 0, end_above[last_below])
    from_right = np.where(touched_end > run + 1, 2 * run + 2, 2 * last_below + 1)
    from_right = np.where(touched_end > run, from_right, 2 * run)
    return np.stack((from_left, from_right), axis=1).ravel()


def _ordered_loops(following: Ints, x: Ints, min_area_px: float) -> tuple[Ints, Ints]:
    """SideLoops.head and .ordered, without the short loops around less than `min_area_px`."""
    # Pointer doubling (Wyllie's list ranking): after k rounds a key holds the lowest of the 2**k
    # sides from its own on, and in its lower half the steps to that.
    side = np.arange(x.size)
    key, ahead = _look_ahead(side << 32, following, range(SHORT_DOUBLINGS))
    head = key >> 32
    is_short = np.ones(x.size, np.bool_)
    is_short[head[head != head[following]]] = False  # not all sides of the loop saw its lowest
    signed_x = np.where(side & 1, x, -x)
    areas_px = np.where(is_short, np.bincount(head, signed_x, x.size), 0)
    is_speck = is_short & (np.abs(areas_px) < min_area_px)
    is_speck[np.argmax(areas_px)] = False

    kept = np.flatnonzero(~is_speck[head])
    number = np.zeros_like(head)
    number[kept] = np.arange(kept.size)
    more = range(SHORT_DOUBLINGS, kept.size.bit_length())
    key, _ = _look_ahead(key[kept], number[ahead[kept]], more)
    head[kept] = key >> 32
    lowest, steps = number[head[kept]], key & 0xFFFFFFFF
    lengths = np.bincount(lowest, minlength=kept.size)
    places = (np.cumsum(lengths) - lengths)[lowest] + np.where(steps, lengths[lowest] - steps, 0)
    ordered = np.empty_like(kept)
    ordered[places] = kept
    return head, ordered


def _look_ahead(key: Ints, ahead: Ints, doublings: range) -> tuple[Ints, Ints]:
    for doubling in doublings:
        key = np.minimum(key, key[ahead] + (1 << doubling))
        ahead = ahead[ahead]
    return key, ahead

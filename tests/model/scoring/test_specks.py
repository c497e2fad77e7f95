"""Small parts and holes, on maps small enough to follow."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from model.scoring.specks import absorb_specks_


def absorbed(label_map, min_area_px):
    result = np.array(label_map, dtype=np.int16)
    absorb_specks_(result, min_area_px)
    return result


def test_a_hole_is_filled_and_an_island_removed():
    label_map = np.full((20, 30), -1)
    label_map[2:18, 2:14] = 0
    label_map[8:10, 6:8] = -1  # a hole of 4 px
    label_map[5, 25] = 0  # an island
    result = absorbed(label_map, 16)
    assert (result[2:18, 2:14] == 0).all()
    assert (result[:, 15:] == -1).all()


def test_a_speck_between_two_labels_goes_to_the_nearer():
    label_map = np.zeros((10, 20))
    label_map[:, 10:] = 1
    label_map[5, 9] = label_map[5, 15] = 2
    label_map[0, :5] = 2  # the largest part of label 2 stays
    result = absorbed(label_map, 4)
    assert result[5, 15] == 1
    assert result[5, 9] in (0, 1)
    assert (result[0, :5] == 2).all()


def test_the_largest_part_of_a_label_stays_however_small():
    label_map = np.full((20, 20), -1)
    label_map[3, 3] = 4
    assert absorbed(label_map, 100)[3, 3] == 4


def test_a_long_thin_line_stays():
    label_map = np.full((1024, 1024), -1)
    label_map[500:503, 100:900] = 0
    label_map[700:703, 100:300] = 0  # another part, of 600 px
    assert np.array_equal(absorbed(label_map, 0.0002 * 1024 * 1024), label_map)


def test_a_map_of_nothing_but_specks_stays_as_it_is():
    assert np.array_equal(absorbed([[-1, -1]], 16), [[-1, -1]])


@given(
    arrays(
        np.int16, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(-1, 3)
    ),
    st.integers(0, 20),
)
def test_no_label_appears_or_vanishes_and_no_small_hole_is_left(label_map, min_area_px):
    result = absorbed(label_map, min_area_px)
    assert set(np.unique(result)) <= set(np.unique(label_map))
    assert set(np.unique(label_map)) - {-1} <= set(np.unique(result))
    if (result != label_map).any():
        changed = (result != label_map) & (label_map == -1)
        holes, count = ndimage.label(label_map == -1, structure=np.ones((3, 3)))
        sizes = np.bincount(holes.ravel(), minlength=count + 1)
        assert (sizes[holes[changed]] < min_area_px).all()

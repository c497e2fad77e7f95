"""The picture for people: tinted where the masks are, untouched elsewhere, with a legend."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from backend.commands.overlay import Layer, draw_overlay
from backend.label_studio.label_colors import color_of

GRAY = np.full((120, 160, 3), 128, dtype=np.uint8)


def square(top: int, left: int, size: int) -> np.ndarray:
    mask = np.zeros(GRAY.shape[:2], dtype=bool)
    mask[top : top + size, left : left + size] = True
    return mask


def test_a_mask_is_tinted_in_its_color_and_the_rest_is_left_alone():
    drawn = np.asarray(draw_overlay(GRAY, [Layer("cat", square(20, 20, 40), 0.9, color_of(0))]))
    tint = drawn[40, 40].astype(int) - 128
    assert np.array_equal(np.sign(tint), np.sign(np.array(color_of(0)) - 128))
    assert np.array_equal(drawn[100, 100], GRAY[100, 100])


def test_the_photo_keeps_its_place_and_the_legend_is_beside_it():
    sheet = draw_overlay(GRAY, [Layer("a label of many words", square(0, 0, 5), 0.5, color_of(0))])
    assert sheet.height == GRAY.shape[0]
    assert sheet.width > GRAY.shape[1] + 60
    legend = np.asarray(sheet)[:, GRAY.shape[1] :]
    assert (legend == color_of(0)).all(axis=2).any()


def test_many_labels_make_the_sheet_taller_than_the_photo():
    layers = [Layer(f"label {n}", square(n, n, 9), n / 40, color_of(n)) for n in range(40)]
    assert draw_overlay(GRAY, layers).height > 40 * 13


def test_nothing_found_is_said():
    drawn = np.asarray(draw_overlay(GRAY, []))
    assert np.array_equal(drawn[:, :160], GRAY)
    assert (drawn[:, 160:] < 100).any()  # ink


@pytest.mark.parametrize(("count", "distance"), [(10, 50), (20, 35)])
def test_any_two_labels_have_colors_far_apart(count, distance):
    """In CIELAB, where 2 can just be told apart; no two of the twenty are shades of one brown."""
    colors = rgb2lab(np.array([color_of(n) for n in range(count)]) / 255)
    apart = np.linalg.norm(colors[:, None] - colors, axis=2)
    assert apart[~np.eye(count, dtype=bool)].min() > distance


def test_the_tints_of_ten_labels_differ_on_a_photo():
    layers = [Layer(f"label {n}", square(10 * n, 10 * n, 8), 0.5, color_of(n)) for n in range(10)]
    drawn = np.asarray(draw_overlay(GRAY, layers))
    tints = rgb2lab(np.array([drawn[10 * n + 4, 10 * n + 4] for n in range(10)]) / 255)
    apart = np.linalg.norm(tints[:, None] - tints, axis=2)
    assert apart[~np.eye(10, dtype=bool)].min() > 20


def test_labels_beyond_the_palette_have_colors_of_their_own():
    assert len({color_of(n) for n in range(60)}) == 60

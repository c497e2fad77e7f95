"""Bitmask regions: PNGs of ours and of the browser, and what is none."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from PIL import Image

from backend.errors import RequestError
from backend.masks.bitmask_png import decode_bitmask, encode_bitmask


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_bitmasks_come_back_whatever_their_width(mask):
    decoded = decode_bitmask(encode_bitmask(mask), height_px=mask.shape[0], width_px=mask.shape[1])
    np.testing.assert_array_equal(decoded, mask)


def png_url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def test_soft_bitmasks_of_the_browser_are_cut_in_the_middle():
    alpha = np.arange(256, dtype=np.uint8).reshape(16, 16)
    rgba = np.dstack([np.full((16, 16, 3), 7, np.uint8), alpha])
    mask = decode_bitmask(png_url(Image.fromarray(rgba)), height_px=16, width_px=16)
    np.testing.assert_array_equal(mask, alpha > 127)


def test_a_bitmask_without_alpha_covers_all_as_in_label_studio():
    assert decode_bitmask(png_url(Image.new("L", (4, 3))), height_px=3, width_px=4).all()


GOOD_URL = encode_bitmask(np.eye(4, dtype=bool))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "must be a URL"),
        ("https://host/mask.png", "must be a URL"),
        (GOOD_URL[:60], "cannot|not a PNG"),
        (GOOD_URL + "!", "not a PNG"),
        ("data:image/png;base64,", "not a PNG"),
        (GOOD_URL[:22] + base64.b64encode(b"GIF89a").decode(), "not a PNG"),
        (encode_bitmask(np.ones((3, 5), bool)), "5 x 3 pixels, but its image has 4 x 4"),
    ],
    ids=["none", "address", "cut off", "not base64", "empty", "gif", "other size"],
)
def test_what_is_no_bitmask_of_the_image_is_refused(url, message):
    with pytest.raises(RequestError, match=message):
        decode_bitmask(url, height_px=4, width_px=4)


def test_a_bitmask_of_another_size_is_refused_before_it_is_unpacked():
    bomb = encode_bitmask(np.zeros((5000, 5000), np.bool_))
    cut_off = bomb[: len(bomb) // 8 * 4 + 22]  # unpacking would fail
    with pytest.raises(RequestError, match="5000 x 5000 pixels"):
        decode_bitmask(cut_off, height_px=4, width_px=4)

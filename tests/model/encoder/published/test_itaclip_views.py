"""Further versions of a window."""

import torch

from model.encoder.published.itaclip_views import FLIPS, VIEWS


def test_gray_has_the_luma_in_all_channels():
    red = torch.zeros(2, 3, 4, 5)
    red[:, 0] = 2.0
    gray = VIEWS["gray"](red)
    assert gray.shape == red.shape
    torch.testing.assert_close(gray, torch.full_like(red, 2 * 0.2989))


def test_blur_spreads_a_pixel_over_eleven_and_keeps_its_sum():
    pixels = torch.zeros(1, 3, 32, 32)
    pixels[..., 16, 16] = 1
    blurred = VIEWS["blur"](pixels)
    spread = blurred[0, 0] > 0
    assert spread.sum() == 11 * 11
    assert spread[11:22, 11:22].all()
    torch.testing.assert_close(blurred.sum(dim=(2, 3)), torch.ones(1, 3))


def test_a_flip_undoes_itself():
    pixels = torch.rand(1, 3, 4, 6)
    for dims in FLIPS:
        assert torch.equal(pixels.flip(dims).flip(dims), pixels)

"""The glance: one more look at the whole image."""

from dataclasses import replace

import torch

from model.encoder.global_view import glance_method, in_light_of
from model.methods import METHODS


def test_the_glance_sees_the_whole_image_once():
    method = glance_method(METHODS["firstpass"])
    assert method.short_side_px == METHODS["firstpass"].glance_px
    assert method.window_px == method.glance_px == 0


def test_windows_turn_towards_the_glance_by_its_share():
    windows = torch.tensor([2.0, 0.0]).view(2, 1, 1).expand(2, 3, 4)
    glance = torch.tensor([0.0, 5.0]).view(2, 1, 1)
    joined = in_light_of(windows, glance, share=0.75)
    torch.testing.assert_close(joined, torch.tensor([0.8, 0.6]).view(2, 1, 1).expand(2, 3, 4))


def test_without_a_share_only_lengths_change():
    windows = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    joined = in_light_of(windows, torch.ones(5, 2, 2), share=0.0)
    torch.testing.assert_close(joined, windows / windows.norm(dim=0))


def test_a_glance_is_joined_for_every_image(tiny_segmenter):
    images = [
        torch.randint(0, 256, (70 + 30 * i, 90, 3), dtype=torch.uint8).numpy() for i in (0, 1)
    ]
    method = replace(
        METHODS["firstpass"], short_side_px=64, window_px=32, stride_px=16, glance_px=32
    )
    encoder = tiny_segmenter.encode_image
    together = encoder(images, method)
    for image, features in zip(images, together, strict=True):
        windows = encoder.encode_in_windows([image], method)[0]
        glance = encoder.encode_in_windows([image], glance_method(method))[0]
        expected = in_light_of(windows.patch_tokens, glance.patch_tokens, method.glance_share)
        torch.testing.assert_close(features.patch_tokens, expected, atol=1e-5, rtol=0)

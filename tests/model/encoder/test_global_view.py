"""The global view: one more pass over the whole image."""

from dataclasses import replace

import torch

from model.encoder.config import EncoderConfig
from model.encoder.global_view import blend_global_view, global_view_windows
from model.encoder.windows import WindowConfig


def test_the_global_view_takes_the_whole_image_once():
    view = global_view_windows(WindowConfig(global_view_px=196))
    assert view.short_side_px == 196
    assert view.window_px == view.global_view_px == 0


def test_windows_turn_towards_the_global_view_by_its_share():
    windows = torch.tensor([2.0, 0.0]).view(2, 1, 1).expand(2, 3, 4)
    view = torch.tensor([0.0, 5.0]).view(2, 1, 1)
    blended = blend_global_view(windows, view, share=0.75)
    torch.testing.assert_close(blended, torch.tensor([0.8, 0.6]).view(2, 1, 1).expand(2, 3, 4))


def test_without_a_share_only_lengths_change():
    windows = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    blended = blend_global_view(windows, torch.ones(5, 2, 2), share=0.0)
    torch.testing.assert_close(blended, windows / windows.norm(dim=0))


def test_a_global_view_is_blended_in_for_every_image(tiny_segmenter):
    images = [
        torch.randint(0, 256, (70 + 30 * i, 90, 3), dtype=torch.uint8).numpy() for i in (0, 1)
    ]
    config = WindowConfig(short_side_px=64, window_px=32, stride_px=16, global_view_px=32)
    encoder = tiny_segmenter.encode_image
    together = encoder(images, config, EncoderConfig())
    for image, features in zip(images, together, strict=True):
        windows, view = (
            encoder([image], one, EncoderConfig())[0].patch_tokens
            for one in (replace(config, global_view_px=0), global_view_windows(config))
        )
        expected = blend_global_view(windows, view, config.global_view_share)
        torch.testing.assert_close(features.patch_tokens, expected, atol=1e-5, rtol=0)

"""What holds for the features of every method."""

from dataclasses import replace

import numpy as np
import pytest
import synthetic
import torch

from model.encoder.config import EncoderConfig
from model.encoder.image_encoder import ImageEncoder
from model.encoder.paths import PathInput
from model.encoder.published.resclip import TextQuery
from model.encoder.tower import TowerConfig
from model.encoder.windows import WindowConfig
from model.errors import MethodError, ModelError
from model.methods import METHODS

SMALL = {"short_side_px": 96, "window_px": 64, "stride_px": 32}
SMALL_WINDOWS = WindowConfig(**SMALL)
QUERY = TextQuery(synthetic.synthetic_texts(), 40.0)
NACLIP = METHODS["naclip"].encoder


@pytest.fixture(scope="module")
def encoder():
    return ImageEncoder(synthetic.synthetic_tower(), (0.5,) * 3, (0.25,) * 3, torch.device("cpu"))


@pytest.fixture(scope="module")
def photos():
    generator = np.random.default_rng(0)
    sizes = [(100, 130), (96, 96), (64, 300)]
    return [generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def tokens_of(encoder, pixels, config, windows=SMALL_WINDOWS):
    """Patch tokens (B, E, h, w) of normalized pixels (B, 3, H, W)."""
    return encoder.encode_windows(PathInput(pixels), windows, config).patches


@pytest.mark.parametrize("name", METHODS)
def test_features_do_not_depend_on_the_company_in_a_batch(encoder, photos, name):
    windows, config = replace(METHODS[name].windows, **SMALL), METHODS[name].encoder
    together = encoder(photos, windows, config, [QUERY] * len(photos))
    for photo, features in zip(photos, together, strict=True):
        alone = encoder([photo], windows, config, [QUERY])[0]
        torch.testing.assert_close(features.patch_tokens, alone.patch_tokens, atol=1e-4, rtol=0)
        torch.testing.assert_close(features.middle_tokens, alone.middle_tokens, atol=1e-3, rtol=0)
        torch.testing.assert_close(features.cls_token, alone.cls_token, atol=1e-4, rtol=0)
        assert features.image_hw == photo.shape[:2]
        assert torch.isfinite(features.patch_tokens).all()


@pytest.mark.parametrize("name", METHODS)
def test_single_windows_have_unit_tokens(encoder, name):
    inputs = PathInput(synthetic.synthetic_pixels(96, 144, count=2), queries=[QUERY] * 2)
    tokens = encoder.encode_windows(inputs, SMALL_WINDOWS, METHODS[name].encoder)
    assert tokens.patches.shape == (2, synthetic.EMBED_DIM, 6, 9)
    assert tokens.middle.shape == (2, encoder.width, 6, 9)
    torch.testing.assert_close(tokens.patches.norm(dim=1), torch.ones(2, 6, 9))
    torch.testing.assert_close(tokens.middle.norm(dim=1), torch.ones(2, 6, 9))
    torch.testing.assert_close(tokens.class_token.norm(dim=1), torch.ones(2))


def test_the_class_token_is_clips_image_embedding_whatever_the_method(encoder):
    pixels = synthetic.synthetic_pixels(64, 64)
    theirs = torch.nn.functional.normalize(encoder.visual(pixels), dim=-1)
    for name in ("firstpass", "gem", "sc-clip"):
        ours = encoder.encode_windows(PathInput(pixels), SMALL_WINDOWS, METHODS[name].encoder)
        torch.testing.assert_close(ours.class_token, theirs)


@pytest.mark.parametrize("name", ["clip", "firstpass", "resclip", "gem", "clip-surgery"])
def test_the_middle_block_is_read_as_its_next_block_does_whatever_the_method(encoder, name):
    pixels, read = synthetic.synthetic_pixels(64, 64), []
    blocks = encoder.visual.transformer.resblocks
    next_block = blocks[encoder.tower(METHODS[name].encoder.tower).middle_block]
    hook = next_block.ln_1.register_forward_hook(
        lambda _layer, _inputs, output: read.append(output)
    )
    encoder.visual(pixels)
    hook.remove()
    (theirs,) = read
    theirs = torch.nn.functional.normalize(theirs[:, 1:], dim=-1)
    inputs = PathInput(pixels, queries=[QUERY])
    ours = encoder.encode_view(inputs, METHODS[name].encoder).middle.flatten(2).transpose(1, 2)
    assert len(blocks) // 2 < encoder.tower(METHODS[name].encoder.tower).middle_block < len(blocks)
    assert (theirs * ours).sum(dim=-1).min() > 0.99  # positions are resized otherwise


def test_plain_clip_patches_are_those_of_open_clip(encoder):
    pixels = synthetic.synthetic_pixels(64, 64)
    encoder.visual.output_tokens = True
    try:
        _, tokens = encoder.visual(pixels)
    finally:
        encoder.visual.output_tokens = False
    theirs = torch.nn.functional.normalize(tokens @ encoder.visual.proj, dim=-1)
    ours = tokens_of(encoder, pixels, METHODS["clip"].encoder).flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours, theirs)


def test_a_symmetric_tower_gives_flipped_features_for_flipped_pixels(encoder):
    visual = synthetic.synthetic_tower()
    visual.conv1.weight.copy_((visual.conv1.weight + visual.conv1.weight.flip(3)) / 2)
    grid = visual.positional_embedding[1:].view(4, 4, -1)
    visual.positional_embedding[1:] = ((grid + grid.flip(1)) / 2).reshape(16, -1)
    symmetric = replace(encoder, visual=visual)
    pixels = synthetic.synthetic_pixels(96, 96)
    for name in ("firstpass", "naclip", "sc-clip", "gclip", "pearl"):
        tower = replace(METHODS[name].encoder.tower, positions="bicubic")  # "offset" is lopsided
        config = replace(METHODS[name].encoder, tower=tower)
        plain, flipped = (tokens_of(symmetric, view, config) for view in (pixels, pixels.flip(3)))
        torch.testing.assert_close(flipped.flip(3), plain, atol=1e-4, rtol=0)


def test_shared_windows_change_features_and_a_lone_window_does_not(encoder, photos):
    stitched = EncoderConfig(last_block=replace(NACLIP.last_block, stitch=True))
    many = [encoder(photos[:1], SMALL_WINDOWS, one)[0].patch_tokens for one in (NACLIP, stitched)]
    assert (many[0] - many[1]).abs().max() > 1e-3
    one_window = replace(SMALL_WINDOWS, window_px=0)
    whole = [encoder(photos[:1], one_window, one)[0].patch_tokens for one in (NACLIP, stitched)]
    torch.testing.assert_close(*whole)


def test_views_and_flips_are_averaged(encoder):
    pixels = synthetic.synthetic_pixels(64, 64)
    plain = tokens_of(encoder, pixels, NACLIP)
    flips = [tokens_of(encoder, pixels.flip(dim), NACLIP).flip(dim) for dim in (2, 3)]
    expected = (plain + (flips[0] + flips[1]) / 2) / 2
    windows = replace(SMALL_WINDOWS, flip_share=0.5)
    torch.testing.assert_close(tokens_of(encoder, pixels, NACLIP, windows), expected)


def test_methods_with_feedback_need_words(encoder, photos):
    with pytest.raises(MethodError, match="'resclip' reads the words"):
        encoder(photos, SMALL_WINDOWS, METHODS["resclip"].encoder)


def test_an_unknown_path_lists_the_known(encoder):
    with pytest.raises(MethodError, match="last_block, resclip, gem, clip-surgery, rf-clip"):
        tokens_of(encoder, synthetic.synthetic_pixels(64, 64), EncoderConfig(path="detour"))


def test_a_tower_is_built_once_for_each_config(encoder):
    suppressing = TowerConfig(suppress_channels=True)
    assert encoder.tower(suppressing) is encoder.tower(TowerConfig(suppress_channels=True))
    assert encoder.tower(suppressing) is not encoder.tower(TowerConfig())


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_image_is_refused_with_its_shape(encoder, image):
    with pytest.raises(ModelError, match="RGB uint8"):
        encoder([image], SMALL_WINDOWS, EncoderConfig())

"""What holds for the features of every method."""

from dataclasses import replace

import numpy as np
import pytest
import synthetic
import torch

from model.encoder.image_encoder import ImageEncoder
from model.errors import MethodError, ModelError
from model.methods import METHODS, at_depth

SMALL = {"short_side_px": 96, "window_px": 64, "stride_px": 32}
TEXTS = synthetic.synthetic_texts()


@pytest.fixture(scope="module")
def encoder():
    return ImageEncoder(synthetic.synthetic_tower(), (0.5,) * 3, (0.25,) * 3, torch.device("cpu"))


@pytest.fixture(scope="module")
def photos():
    generator = np.random.default_rng(0)
    sizes = [(100, 130), (96, 96), (64, 300)]
    return [generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def encode(encoder, images, method):
    texts = [TEXTS] * len(images) if method.feedback_share else []
    return encoder(images, method, texts)


@pytest.mark.parametrize("name", METHODS)
def test_features_do_not_depend_on_the_company_in_a_batch(encoder, photos, name):
    method = replace(METHODS[name], **SMALL)
    together = encode(encoder, photos, method)
    for photo, features in zip(photos, together, strict=True):
        alone = encode(encoder, [photo], method)[0]
        torch.testing.assert_close(features.patch_tokens, alone.patch_tokens, atol=1e-4, rtol=0)
        torch.testing.assert_close(features.cls_token, alone.cls_token, atol=1e-4, rtol=0)
        assert features.image_hw == photo.shape[:2]
        assert torch.isfinite(features.patch_tokens).all()


@pytest.mark.parametrize("name", METHODS)
def test_single_windows_have_unit_tokens(encoder, name):
    method = replace(METHODS[name], views=(), flip_share=0.0)
    tokens, class_tokens = encoder.encode_windows(
        synthetic.synthetic_pixels(96, 144, count=2), method, [TEXTS] * 2
    )
    assert tokens.shape == (2, synthetic.EMBED_DIM, 6, 9)
    torch.testing.assert_close(tokens.norm(dim=1), torch.ones(2, 6, 9))
    torch.testing.assert_close(class_tokens.norm(dim=1), torch.ones(2))


def test_the_class_token_is_clips_own_answer_whatever_the_method(encoder):
    pixels = synthetic.synthetic_pixels(64, 64)
    theirs = torch.nn.functional.normalize(encoder.visual(pixels), dim=-1)
    for name in ("firstpass", "gem", "sc-clip"):
        method = replace(METHODS[name], suppress_channels=False)
        torch.testing.assert_close(encoder.encode_windows(pixels, method)[1], theirs)


def test_plain_clip_patches_are_those_of_open_clip(encoder):
    pixels = synthetic.synthetic_pixels(64, 64)
    encoder.visual.output_tokens = True
    try:
        _, tokens = encoder.visual(pixels)
    finally:
        encoder.visual.output_tokens = False
    theirs = torch.nn.functional.normalize(tokens @ encoder.visual.proj, dim=-1)
    ours = encoder.encode_windows(pixels, METHODS["clip"])[0].flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours, theirs)


def test_a_tower_that_sees_no_side_gives_flipped_features_for_flipped_pixels(encoder):
    visual = synthetic.synthetic_tower()
    visual.conv1.weight.copy_((visual.conv1.weight + visual.conv1.weight.flip(3)) / 2)
    grid = visual.positional_embedding[1:].view(4, 4, -1)
    visual.positional_embedding[1:] = ((grid + grid.flip(1)) / 2).reshape(16, -1)
    blind = replace(encoder, visual=visual)
    pixels = synthetic.synthetic_pixels(96, 96)
    for name in ("firstpass", "naclip", "sc-clip", "gclip", "pearl"):
        method = replace(METHODS[name], positions="bicubic")  # "offset" is not symmetric
        plain, flipped = (
            blind.encode_windows(view, method)[0] for view in (pixels, pixels.flip(3))
        )
        torch.testing.assert_close(flipped.flip(3), plain, atol=1e-4, rtol=0)


def test_shared_windows_change_features_and_a_lone_window_does_not(encoder, photos):
    method = replace(METHODS["naclip"], **SMALL)
    stitched = replace(method, stitch=True)
    many = [encoder(photos[:1], one, [])[0].patch_tokens for one in (method, stitched)]
    assert (many[0] - many[1]).abs().max() > 1e-3
    whole = [
        encoder(photos[:1], replace(one, window_px=0), [])[0].patch_tokens
        for one in (method, stitched)
    ]
    torch.testing.assert_close(*whole)


def test_views_and_flips_are_averaged(encoder):
    pixels = synthetic.synthetic_pixels(64, 64)
    method = replace(METHODS["naclip"], flip_share=0.5)
    plain = encoder.encode_windows(pixels, METHODS["naclip"])[0]
    flips = [
        encoder.encode_windows(pixels.flip(dim), METHODS["naclip"])[0].flip(dim) for dim in (2, 3)
    ]
    expected = (plain + (flips[0] + flips[1]) / 2) / 2
    torch.testing.assert_close(encoder.encode_windows(pixels, method)[0], expected)


def test_methods_with_feedback_need_words(encoder, photos):
    with pytest.raises(MethodError, match="'resclip' reads the words"):
        encoder(photos, METHODS["resclip"])


def test_an_unknown_path_lists_the_known(encoder):
    with pytest.raises(MethodError, match="reshaped, parallel, refocused"):
        encoder.encode_windows(
            synthetic.synthetic_pixels(64, 64), replace(METHODS["clip"], path="detour")
        )


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
        encoder([image], METHODS["firstpass"])


@pytest.mark.parametrize("n_blocks", [4, 6, 12, 24, 32, 48])
@pytest.mark.parametrize("name", METHODS)
def test_block_numbers_fit_towers_of_any_depth(name, n_blocks):
    method = at_depth(METHODS[name], n_blocks)
    numbers = set(method.output_blocks)
    if isinstance(method.context_blocks, tuple):
        numbers |= set(method.context_blocks)
    assert all(1 <= number < n_blocks for number in numbers)


def test_published_numbers_of_deep_towers_are_kept():
    deep = at_depth(METHODS["sc-clip"], 24)
    assert (deep.coherence_block, deep.smoothing_block, deep.class_share) == (17, 7, 0.1)
    assert deep.level_blocks == tuple(range(9, 20))
    assert at_depth(METHODS["resclip"], 24).context_blocks == (6, 7, 8, 9)
    own = replace(METHODS["sc-clip"], class_share=0.7)
    assert at_depth(own, 24).class_share == 0.7

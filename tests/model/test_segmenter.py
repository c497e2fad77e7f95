"""The method as a whole: words and an image in, one mask for each class out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model import (
    METHODS,
    REFINERS,
    ClassPrompt,
    Memory,
    PointPrompt,
    Segmentation,
    SegmentSettings,
    TaughtMask,
    Vocabulary,
)
from model.features import DenseFeatures

PLAIN = SegmentSettings(refiner="none", logit_scale=100.0).resolve()


class FixedWords:
    """Embeds given by hand; unknown words point away from everything."""

    embed_dim = 3
    fingerprint = "fixed"
    known = {"cat": [1.0, 0, 0], "dog": [0, 1.0, 0], "grass": [0, 0, 1.0], "hound": [0, 1.0, 0]}  # noqa: RUF012

    def __call__(self, texts, templates="imagenet80"):
        rows = [self.known.get(text, [-0.6, -0.6, -0.5]) for text in texts]
        return torch.nn.functional.normalize(torch.tensor(rows).view(-1, 3), dim=-1)


@pytest.fixture
def by_hand(tiny_segmenter):
    return replace(tiny_segmenter, encode_text=FixedWords())


@pytest.fixture
def scene():
    """Features of an image of 40 x 60 pixels: cat left, dog right, nothing known at the bottom."""
    tokens = torch.zeros(3, 4, 6)
    tokens[0, :3, :3] = 1
    tokens[1, :3, 3:] = 1
    tokens[:, 3] = torch.tensor([-0.6, -0.6, -0.5])[:, None]
    features = DenseFeatures(tokens, torch.tensor([1.0, 0, 0]), (40, 60), torch.zeros(0, 4, 6))
    return features, np.zeros((40, 60, 3), dtype=np.uint8)


def test_each_thing_gets_its_pixels_and_the_unknown_stays_unlabeled(by_hand, scene):
    found = by_hand.segment(*scene, Vocabulary.of(["cat", "dog", "grass"]), PLAIN)
    assert found.label_map.shape == (40, 60)
    assert found.label_map[5, 5] == 0
    assert found.label_map[5, 55] == 1
    assert (found.label_map[36:] == -1).all()
    assert found.scores[:2].min() > 0.9
    assert found.scores[2] == 0
    assert [name for _, name, _, _ in found.non_empty()] == ["cat", "dog"]


def test_the_unknown_goes_to_a_background_class_where_there_is_one(by_hand, scene):
    found = by_hand.segment(*scene, Vocabulary.of(["cat", "Background", "dog"]), PLAIN)
    assert (found.label_map[36:] == 1).all()
    assert found.label_map[5, 55] == 2


def test_without_negatives_every_pixel_goes_to_its_least_wrong_label(by_hand, scene):
    bare = Vocabulary(Vocabulary.of(["cat", "dog"]).classes, auto_negatives=False)
    assert (by_hand.segment(*scene, bare, PLAIN).label_map >= 0).all()


def test_the_order_of_labels_changes_nothing_but_their_numbers(by_hand, scene):
    names = ["cat", "dog", "grass"]
    forward = by_hand.segment(*scene, Vocabulary.of(names), PLAIN)
    backward = by_hand.segment(*scene, Vocabulary.of(names[::-1]), PLAIN)
    for index in range(3):
        assert np.array_equal(forward.mask(index), backward.mask(2 - index))
    np.testing.assert_allclose(forward.scores, backward.scores[::-1], rtol=1e-5)


def test_a_synonym_finds_its_class(by_hand, scene):
    vocabulary = Vocabulary((ClassPrompt("animal", synonyms=("hound",)), ClassPrompt("cat")))
    assert by_hand.segment(*scene, vocabulary, PLAIN).label_map[5, 55] == 0


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], 0),
        (["cat"], 1),
        (["cat", "cat", "Cat"], 1),  # the first of equal names takes all
        (["🐈", "猫", "кошка", "", "  ", "x" * 500], None),
        ([f"thing number {index}" for index in range(1000)], None),
    ],
)
def test_odd_vocabularies_are_segmented(by_hand, scene, names, expected):
    found = by_hand.segment(*scene, Vocabulary.of(names), PLAIN)
    assert found.class_names == tuple(names)
    assert found.scores.shape == (len(names),)
    assert np.isfinite(found.scores).all()
    if expected is not None:
        assert len(list(found.non_empty())) == expected


def test_masks_are_made_of_the_label_map():
    label_map = np.array([[0, -1], [2, 2]], dtype=np.int16)
    found = Segmentation(("a", "b", "c"), label_map, np.array([0.5, 0, 0.9], dtype=np.float32))
    assert np.array_equal(found.mask(2), [[False, False], [True, True]])
    assert [(index, name, score) for index, name, _, score in found.non_empty()] == [
        (0, "a", 0.5),
        (2, "c", pytest.approx(0.9)),
    ]


@pytest.mark.parametrize("image_hw", [(64, 64), (1, 1), (30, 700), (500, 333)])
def test_answers_come_at_the_size_of_the_image(tiny_segmenter, image_hw):
    image = np.random.default_rng(0).integers(0, 256, (*image_hw, 3), dtype=np.uint8)
    (found,) = tiny_segmenter([image], Vocabulary.of(["cat", "dog"]))
    assert found.label_map.shape == image_hw


@pytest.mark.parametrize("refiner", REFINERS)
@pytest.mark.parametrize("image_hw", [(1, 60_000), (60_000, 1)])
def test_a_line_of_pixels_takes_no_more_than_a_square_of_as_many(tiny_segmenter, image_hw, refiner):
    image = np.random.default_rng(0).integers(0, 256, (*image_hw, 3), dtype=np.uint8)
    method = SegmentSettings(refiner=refiner, templates="plain").resolve()
    words = Vocabulary(Vocabulary.of(["cat", "dog"]).classes, auto_negatives=False)
    (features,) = tiny_segmenter.encode([image], method, words)
    half = np.arange(60_000).reshape(image_hw) < 30_000
    lesson = tiny_segmenter.learn(features, image, [TaughtMask("cat", half)], words, method)
    for memory in (None, Memory.of([lesson])):
        found = tiny_segmenter.segment(features, image, words, method, memory)
        assert found.label_map.shape == image_hw
    click = [PointPrompt(0.2, 0.2)]
    mask, _ = tiny_segmenter.answer_prompts(features, image, click, words, 0, method)
    assert mask.shape == image_hw


def test_each_image_may_have_its_own_vocabulary(tiny_segmenter):
    images = [np.zeros((64, 80, 3), np.uint8), np.full((70, 64, 3), 200, np.uint8)]
    both = tiny_segmenter(images, [Vocabulary.of(["cat", "dog"]), Vocabulary.of(["road"])])
    assert [found.class_names for found in both] == [("cat", "dog"), ("road",)]
    with pytest.raises(ValueError, match="zip"):
        tiny_segmenter(images, [Vocabulary.of(["cat"])])


@pytest.mark.parametrize("method", METHODS)
def test_every_method_segments(tiny_segmenter, method):
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    vocabulary = Vocabulary(Vocabulary.of(["cat", "dog"]).classes, auto_negatives=False)
    settings = SegmentSettings(method, templates="plain")
    (found,) = tiny_segmenter([image], vocabulary, settings)
    assert found.label_map.shape == (48, 64)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_uses_lessons_and_answers_clicks(tiny_segmenter, method):
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    words = Vocabulary(Vocabulary.of(["cat", "dog"]).classes, auto_negatives=False)
    method = SegmentSettings(method, templates="plain").resolve()
    if method.name == "itaclip":  # its windows, 28 px apart, take long
        method = replace(method, windows=replace(method.windows, stride_px=224))
    (features,) = tiny_segmenter.encode([image], method, words)
    half = np.zeros((48, 64), bool)
    half[:, :32] = True
    cat = [TaughtMask("cat", half)]
    memory = Memory.of([tiny_segmenter.learn(features, image, cat, words, method)])
    blends = (None, tiny_segmenter.blend(words, method, memory))
    without, taught = (
        tiny_segmenter.patch_probs(features, image, words, method, one) for one in blends
    )
    assert taught.shape == without.shape
    assert not torch.equal(taught, without)
    click = [PointPrompt(0.2, 0.5)]
    mask, _ = tiny_segmenter.answer_prompts(features, image, click, words, 0, method, memory)
    assert mask[24, 12]


def test_automatic_settings_need_no_numbers(tiny_segmenter):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    settings = SegmentSettings(logit_scale="auto", prob_threshold="auto", area_threshold="auto")
    (found,) = tiny_segmenter([image], Vocabulary.of(["cat", "dog"]), settings)
    assert found.label_map.shape == (64, 64)


def test_the_version_names_checkpoint_method_and_settings(tiny_segmenter):
    plain = tiny_segmenter.version(METHODS["firstpass"])
    name, method, refiner = plain.split("/")
    assert name == f"tiny_clip-{tiny_segmenter.fingerprint[:8]}"
    assert method == "firstpass"
    assert refiner == METHODS["firstpass"].decision.refiner
    versions = [
        tiny_segmenter.version(settings.resolve())
        for settings in (
            SegmentSettings("naclip"),
            SegmentSettings(refiner="none"),
            SegmentSettings(logit_scale=30.0),
            SegmentSettings(logit_scale=31.0),
        )
    ]
    assert len({plain, *versions}) == 5
    assert tiny_segmenter.version(SegmentSettings(logit_scale=30).resolve()) == versions[2]
    # A digest follows, since the chosen refiner is used with what pixels taught, too.
    assert versions[1].startswith(f"{plain.replace('/crf', '/none')}-")


def test_a_method_of_ones_own_takes_the_place_of_a_name(tiny_segmenter):
    preset = METHODS["firstpass"]
    own = replace(preset, windows=replace(preset.windows, stride_px=64))
    image = np.zeros((48, 64, 3), np.uint8)
    (found,) = tiny_segmenter([image], Vocabulary.of(["cat"]), SegmentSettings(own))
    assert found.label_map.shape == (48, 64)
    assert tiny_segmenter.version(own) != tiny_segmenter.version(preset)


def with_traits(segmenter, **changes):
    """The segmenter, with other traits of its tower than were measured."""
    encoder = replace(segmenter.encode_image)
    vars(encoder)["traits"] = replace(segmenter.encode_image.traits, **changes)
    return replace(segmenter, encode_image=encoder)


def test_lessons_of_towers_without_global_tokens_keep_their_space(tiny_segmenter):
    """The starter's is one: it is read as it was before towers were measured."""
    plain = with_traits(tiny_segmenter, n_blocks=12, has_global_tokens=False)
    assert plain.space(METHODS["firstpass"]).endswith("-3d6f586e")


def test_a_tower_that_is_read_in_another_way_has_a_space_of_its_own(tiny_segmenter):
    spaces = {
        with_traits(tiny_segmenter, n_blocks=blocks, has_global_tokens=False).space(
            METHODS["firstpass"]
        )
        for blocks in (12, 24)
    }
    assert len(spaces) == 2


def test_a_method_that_is_not_fitted_is_encoded_as_it_is(tiny_segmenter):
    deep = with_traits(tiny_segmenter, n_blocks=24)
    assert deep.encoder_for(METHODS["naclip"]) == METHODS["naclip"].encoder
    assert deep.encoder_for(METHODS["firstpass"]) != METHODS["firstpass"].encoder

"""Features by the pixels they are made of, in this process and in a real store."""

import numpy as np
import pytest
import torch

from backend.prediction.feature_cache import (
    FeatureCache,
    FeatureCacheConfig,
    FeatureCounters,
    pack,
    store_key,
    unpack,
)
from model import DenseFeatures, SegmentSettings


def image(seed: int, side=32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


class Encoder:
    """Features whose values tell which encoding they are of."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> DenseFeatures:
        self.calls += 1
        value = float(self.calls)
        return DenseFeatures(torch.full((8, 4, 4), value), torch.full((8,), value), (32, 32))


@pytest.fixture
def encode() -> Encoder:
    return Encoder()


def test_the_same_pixels_are_encoded_once_wherever_they_come_from(store, encode):
    cache = FeatureCache(store)
    one = cache.features("here", image(0), "space", encode)
    assert cache.features("there", image(0), "space", encode) is one
    assert encode.calls == 1
    assert cache.features("here", image(0), "another space", encode) is not one
    assert cache.features("here", image(1), "space", encode) is not one
    assert cache.counters == FeatureCounters(hits_process=1, misses=3)


def test_an_image_of_the_same_bytes_but_another_shape_is_another(store, encode):
    cache = FeatureCache(store)
    cache.features("here", np.zeros((16, 64, 3), np.uint8), "space", encode)
    cache.features("here", np.zeros((64, 16, 3), np.uint8), "space", encode)
    assert encode.calls == 2


def test_a_click_finds_the_image_and_its_features_by_where_they_came_from(store, encode):
    cache = FeatureCache(store)
    cache.features("here", image(0), "space", encode)
    page = cache.page("here", "space")
    assert (page.image == image(0)).all()
    assert page.features.patch_tokens[0, 0, 0] == 1
    assert cache.page("here", "another space") is None
    assert cache.page("there", "space") is None
    cache.features("here", image(1), "space", encode)  # the image there has changed
    assert (cache.page("here", "space").image == image(1)).all()


def test_an_image_grows_too_old_for_clicks(store, encode):
    cache = FeatureCache(store, FeatureCacheConfig(image_s=0.0))
    cache.features("here", image(0), "space", encode)
    assert cache.page("here", "space") is None


def test_bytes_are_bounded_and_the_latest_stay(store, encode):
    config = FeatureCacheConfig(max_bytes=20_000)  # four images of 3 kB with 0.5 kB of features
    cache = FeatureCache(store, config)
    for seed in range(50):
        cache.features(seed, image(seed), "space", encode)
        assert 0 < cache.size_bytes() <= 20_000
    assert cache.page(49, "space") is not None
    assert cache.page(0, "space") is None
    cache.features("giant", image(0, side=200), "space", encode)
    assert cache.page("giant", "space") is None
    assert cache.page(49, "space") is not None


def test_workers_share_features_through_the_store_when_told_to(store, encode, tiny_segmenter):
    method = SegmentSettings().resolve()
    photo = image(99, side=48)
    (features,) = tiny_segmenter.encode([photo], method)
    config = FeatureCacheConfig(store_s=60)
    space = tiny_segmenter.space(method)
    FeatureCache(store, config).features("here", photo, space, lambda: features)
    cache = FeatureCache(store, config)
    found = cache.features("here", photo, space, encode)
    assert encode.calls == 0
    assert torch.equal(found.patch_tokens, features.patch_tokens)
    assert torch.equal(found.cls_token, features.cls_token)
    assert found.image_hw == features.image_hw
    assert cache.counters == FeatureCounters(hits_store=1)


FOREIGN = {
    "empty": b"",
    "text": b"nonsense",
    "zeros": b"\0" * 100,
    "cut": pack(Encoder()())[:-9],
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_ours_in_the_store_is_encoded_again(store, encode, name):
    config, photo = FeatureCacheConfig(store_s=60), image(7)
    FeatureCache(store, config).features("here", photo, name, encode)
    (key,) = store.run("look", lambda client: client.keys(store_key("*", name)))
    store.set_many({key.decode(): FOREIGN[name]})
    FeatureCache(store, config).features("here", photo, name, encode)
    assert encode.calls == 2


def test_features_are_written_exactly():
    features = Encoder()()
    assert torch.equal(unpack(pack(features)).patch_tokens, features.patch_tokens)

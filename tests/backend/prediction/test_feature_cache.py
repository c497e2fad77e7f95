"""Features by the pixels they are made of, in this process and in a real store."""

import numpy as np
import pytest
import torch

from backend.prediction.feature_cache import (
    FeatureCache,
    FeatureCacheConfig,
    deserialize_features,
    serialize_features,
)
from backend.store.keys import features_key
from model import DenseFeatures, SegmentSettings
from tests.support.counting import counted


def image(seed: int, side=32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


class Encoder:
    """Features whose values tell which encoding they are of."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> DenseFeatures:
        self.calls += 1
        value = float(self.calls)
        tokens, middle = torch.full((8, 4, 4), value), torch.full((6, 4, 4), value).half()
        return DenseFeatures(tokens, torch.full((8,), value), (32, 32), middle)


@pytest.fixture
def encode() -> Encoder:
    return Encoder()


def test_the_same_pixels_are_encoded_once_wherever_they_come_from(store, encode):
    cache = FeatureCache(store)
    one = cache.get_or_encode("here", image(0), "space", encode)
    assert cache.get_or_encode("there", image(0), "space", encode) is one
    assert encode.calls == 1
    assert cache.get_or_encode("here", image(0), "another space", encode) is not one
    assert cache.get_or_encode("here", image(1), "space", encode) is not one
    assert counted(cache.counts) == {"hits_process": 1, "misses": 3}


def test_an_image_of_the_same_bytes_but_another_shape_is_another(store, encode):
    cache = FeatureCache(store)
    cache.get_or_encode("here", np.zeros((16, 64, 3), np.uint8), "space", encode)
    cache.get_or_encode("here", np.zeros((64, 16, 3), np.uint8), "space", encode)
    assert encode.calls == 2


def test_a_click_finds_the_image_and_its_features_by_where_they_came_from(store, encode):
    cache = FeatureCache(store)
    cache.get_or_encode("here", image(0), "space", encode)
    page = cache.recent_page("here", "space")
    assert page is not None
    assert (page.image == image(0)).all()
    assert page.features.patch_tokens[0, 0, 0] == 1
    assert cache.recent_page("here", "another space") is None
    assert cache.recent_page("there", "space") is None
    cache.get_or_encode("here", image(1), "space", encode)  # the image there has changed
    page = cache.recent_page("here", "space")
    assert page is not None
    assert (page.image == image(1)).all()


def test_an_image_grows_too_old_for_clicks(store, encode):
    cache = FeatureCache(store, FeatureCacheConfig(image_ttl_s=0.0))
    cache.get_or_encode("here", image(0), "space", encode)
    assert cache.recent_page("here", "space") is None


def test_bytes_are_bounded_and_the_latest_stay(store, encode):
    config = FeatureCacheConfig(max_bytes=20_000)  # four images of 3 kB with 0.5 kB of features
    cache = FeatureCache(store, config)
    for seed in range(50):
        cache.get_or_encode(seed, image(seed), "space", encode)
        assert 0 < cache.size_bytes() <= 20_000
    assert cache.recent_page(49, "space") is not None
    assert cache.recent_page(0, "space") is None
    cache.get_or_encode("large", image(0, side=200), "space", encode)
    assert cache.recent_page("large", "space") is None
    assert cache.recent_page(49, "space") is not None


def test_workers_share_features_through_the_store_when_told_to(store, encode, tiny_segmenter):
    method = SegmentSettings().resolve()
    photo = image(99, side=48)
    (features,) = tiny_segmenter.encode([photo], method)
    config = FeatureCacheConfig(store_ttl_s=60)
    space = tiny_segmenter.space(method)
    FeatureCache(store, config).get_or_encode("here", photo, space, lambda: features)
    cache = FeatureCache(store, config)
    found = cache.get_or_encode("here", photo, space, encode)
    assert encode.calls == 0
    assert torch.equal(found.patch_tokens, features.patch_tokens)
    assert torch.equal(found.cls_token, features.cls_token)
    assert found.image_hw == features.image_hw
    assert counted(cache.counts) == {"hits_store": 1}


FOREIGN = {
    "empty": b"",
    "text": b"nonsense",
    "zeros": b"\0" * 100,
    "cut": serialize_features("a key", Encoder()())[:-9],
    "of another key": serialize_features("a key", Encoder()()),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_ours_in_the_store_is_encoded_again(store, encode, name, caplog):
    config, photo = FeatureCacheConfig(store_ttl_s=60), image(7)
    FeatureCache(store, config).get_or_encode("here", photo, name, encode)
    (key,) = store.run("look", lambda client: client.keys(features_key("*", name)))
    caplog.clear()
    store.set_many({key.decode(): FOREIGN[name]})
    FeatureCache(store, config).get_or_encode("here", photo, name, encode)
    assert encode.calls == 2
    assert "encoded again" in caplog.text


def test_features_are_written_exactly():
    features = Encoder()()
    found = deserialize_features("a key", serialize_features("a key", features))
    assert found.image_hw == features.image_hw
    for name in ("patch_tokens", "cls_token", "middle_tokens"):
        written = getattr(features, name)
        assert getattr(found, name).dtype == written.dtype
        assert torch.equal(getattr(found, name), written)

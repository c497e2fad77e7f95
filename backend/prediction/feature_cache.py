"""Dense features of recent images: a click must not wait for the image encoder.

Features lie under the pixels they were made of and their feature space, so they cannot be stale;
this process keeps the latest, within a number of bytes, and the store those of all workers when a
time to live is set. Beside them lie the images themselves, by where they came from, for clicks:
those may be as old as `image_s`.
"""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from cachetools import LRUCache
from safetensors import SafetensorError
from safetensors.torch import load, save

from backend.metrics import Counts
from backend.store.keys import features_key
from backend.store.store import Store
from model import DenseFeatures


@dataclass(frozen=True)
class FeatureCacheConfig:
    max_bytes: int = 256 * 2**20  # of images and features in this process
    store_s: int = 0  # how long features stay in the store; 0: not there at all
    image_s: float = 3600.0  # how long a click may use an image that was loaded before


@dataclass(frozen=True)
class Page:
    """One image of a task, with what the model sees in it."""

    image: np.ndarray  # RGB uint8 (H, W, 3)
    features: DenseFeatures


class Sized(NamedTuple):
    value: Any
    n_bytes: int


class FeatureCache:
    """Safe between threads."""

    def __init__(self, store: Store, config: FeatureCacheConfig | None = None) -> None:
        self.counts = Counts("hits_process", "hits_store", "misses")
        self._store = store
        self._config = config or FeatureCacheConfig()
        self._kept: LRUCache[Hashable, Sized] = LRUCache(
            self._config.max_bytes, getsizeof=lambda kept: kept.n_bytes
        )
        self._lock = threading.Lock()

    def page(self, source: Hashable, space: str) -> Page | None:
        """The image that came from there before, if its features are at hand as well."""
        found = self._get(("image", source))
        if found is None or time.monotonic() - found[2] > self._config.image_s:
            return None
        image, digest, _ = found
        features = self._find(digest, space)
        return None if features is None else Page(image, features)

    def features(
        self, source: Hashable, image: np.ndarray, space: str, encode: Callable[[], DenseFeatures]
    ) -> DenseFeatures:
        """Features of this image, encoded when they are not known; the image is kept for clicks."""
        pixels = np.ascontiguousarray(image).data
        digest = hashlib.blake2b(pixels, digest_size=16).hexdigest() + f"-{image.shape[1]}"
        self._keep(("image", source), (image, digest, time.monotonic()), image.nbytes)
        features = self._find(digest, space)
        if features is None:
            features = encode()
            self.counts.add(misses=1)
            self._keep_features(digest, space, features)
            if self._config.store_s:
                self._store.set_many(
                    {features_key(digest, space): pack(features)}, self._config.store_s
                )
        return features

    def size_bytes(self) -> int:
        return int(self._kept.currsize)

    def _find(self, digest: str, space: str) -> DenseFeatures | None:
        features = self._get(("features", digest, space))
        if features is not None:
            self.counts.add(hits_process=1)
            return features
        if not self._config.store_s:
            return None
        (data,) = self._store.get_many([features_key(digest, space)])
        if data is not None:
            with contextlib.suppress(SafetensorError, KeyError, ValueError):  # then it is not ours
                features = unpack(data)
                self.counts.add(hits_store=1)
                self._keep_features(digest, space, features)
        return features

    def _keep_features(self, digest: str, space: str, features: DenseFeatures) -> None:
        n_bytes = features.patch_tokens.nbytes + features.cls_token.nbytes
        self._keep(("features", digest, space), features, n_bytes)

    def _get(self, key: Hashable) -> Any:
        with self._lock:
            kept = self._kept.get(key)
        return None if kept is None else kept.value

    def _keep(self, key: Hashable, value: Any, n_bytes: int) -> None:
        with self._lock:
            self._kept.pop(key, None)
            if n_bytes <= self._config.max_bytes // 2:  # a larger one would evict nearly all
                self._kept[key] = Sized(value, n_bytes)


def pack(features: DenseFeatures) -> bytes:
    """Exact, so that what comes out of the store predicts the same."""
    tensors = {"patch_tokens": features.patch_tokens, "cls_token": features.cls_token}
    tensors["image_hw"] = torch.tensor(features.image_hw)
    return save({name: tensor.contiguous() for name, tensor in tensors.items()})


def unpack(data: bytes) -> DenseFeatures:
    """ValueError, KeyError or SafetensorError for what is none of ours."""
    tensors = load(data)
    height, width = tensors["image_hw"].tolist()
    return DenseFeatures(tensors["patch_tokens"], tensors["cls_token"], (height, width))

"""Cache of dense features and images, so that a click needs neither download nor image encoder.

Features are stored by a digest of the pixels and their feature space, so they cannot be stale. This
process keeps the most recently used within a number of bytes; with a time to live they are also
kept in Redis, for all workers. Images are stored by their source, and used for `image_ttl_s`.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from cachetools import LRUCache
from numpy.typing import NDArray
from safetensors.torch import load, save

from backend.log_once import WarnOnce
from backend.metrics import Counts
from backend.store.keys import features_key
from backend.store.store import Store
from model import DenseFeatures

ENTRY_BYTES = 1024  # of a key and of objects, beside the numbers
CHECKSUM_BYTES = 8  # before the features in the store
TENSORS = ("patch_tokens", "cls_token", "middle_tokens")  # of DenseFeatures

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureCacheConfig:
    max_bytes: int = 256 * 2**20  # of images and features in this process
    store_ttl_s: int = 0  # of features in Redis; 0: they are not stored there
    image_ttl_s: float = 3600.0  # how long a click may use an image that was loaded before


@dataclass(frozen=True)
class Page:
    """One image of a task with its features."""

    image: NDArray[np.uint8]  # RGB (H, W, 3)
    features: DenseFeatures


class CachedImage(NamedTuple):
    image: NDArray[np.uint8]  # RGB (H, W, 3)
    digest: str
    loaded_s: float  # on time.monotonic()


class FeatureCache:
    """Safe between threads."""

    def __init__(self, store: Store, config: FeatureCacheConfig | None = None) -> None:
        self.counts = Counts("hits_process", "hits_store", "misses")
        self._store = store
        self._config = config or FeatureCacheConfig()
        self._entries: LRUCache[Hashable, CachedImage | DenseFeatures] = LRUCache(
            self._config.max_bytes, getsizeof=_n_bytes
        )
        self._lock = threading.Lock()
        self._warn_once = WarnOnce(log)

    def recent_page(self, source: Hashable, space: str) -> Page | None:
        """The image last loaded from this source, if that and its features are in the cache."""
        cached = self._get(("image", source))
        if not isinstance(cached, CachedImage):
            return None
        if time.monotonic() - cached.loaded_s > self._config.image_ttl_s:
            return None
        features = self._cached_features(cached.digest, space)
        return None if features is None else Page(cached.image, features)

    def get_or_encode(
        self,
        source: Hashable,
        image: NDArray[np.uint8],
        space: str,
        encode: Callable[[], DenseFeatures],
    ) -> DenseFeatures:
        """Features of an image, from the cache or by `encode`; keeps the image for clicks."""
        pixels = np.ascontiguousarray(image).data
        digest = hashlib.blake2b(pixels, digest_size=16).hexdigest() + f"-{image.shape[1]}"
        self._put(("image", source), CachedImage(image, digest, time.monotonic()))
        features = self._cached_features(digest, space)
        if features is None:
            features = encode()
            self.counts.add(misses=1)
            self._put(("features", digest, space), features)
            if ttl_s := self._config.store_ttl_s:
                name = features_key(digest, space)
                self._store.set_many({name: serialize_features(name, features)}, ttl_s)
        return features

    def size_bytes(self) -> int:
        """Bytes of images and features in this process."""
        return int(self._entries.currsize)

    def _cached_features(self, digest: str, space: str) -> DenseFeatures | None:
        key = ("features", digest, space)
        features = self._get(key)
        if isinstance(features, DenseFeatures):
            self.counts.add(hits_process=1)
            return features
        if not self._config.store_ttl_s:
            return None
        name = features_key(digest, space)
        (data,) = self._store.get_many([name])
        if data is None:
            return None
        try:
            features = deserialize_features(name, data)
        except ValueError as error:
            self._warn_once(f"Features in the store are encoded again: {error}.")
            return None
        self.counts.add(hits_store=1)
        self._put(key, features)
        return features

    def _get(self, key: Hashable) -> CachedImage | DenseFeatures | None:
        with self._lock:
            return self._entries.get(key)

    def _put(self, key: Hashable, entry: CachedImage | DenseFeatures) -> None:
        with self._lock:
            self._entries.pop(key, None)
            # An entry above half the limit is not cached, since it would evict most others.
            if _n_bytes(entry) <= self._config.max_bytes // 2:
                self._entries[key] = entry


def _n_bytes(entry: CachedImage | DenseFeatures) -> int:
    if isinstance(entry, CachedImage):
        return ENTRY_BYTES + entry.image.nbytes
    tensors = (entry.patch_tokens, entry.cls_token, entry.middle_tokens)
    return ENTRY_BYTES + sum(tensor.nbytes for tensor in tensors)


def serialize_features(key: str, features: DenseFeatures) -> bytes:
    """A checksum over the key and what follows: safetensors, so that predictions stay the same."""
    tensors = {name: getattr(features, name) for name in TENSORS}
    tensors["image_hw"] = torch.tensor(features.image_hw)
    body = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    return _checksum(key, body) + body


def deserialize_features(key: str, data: bytes) -> DenseFeatures:
    """Raises ValueError for bytes that `serialize_features` did not write for this key."""
    checksum, body = data[:CHECKSUM_BYTES], data[CHECKSUM_BYTES:]
    if checksum != _checksum(key, body):
        raise ValueError(f"these {len(data)} bytes are not what was written")
    tensors = load(body)
    height, width = tensors["image_hw"].tolist()
    if not tensors.keys() >= set(TENSORS):
        raise ValueError("a former release wrote them, without the tower's middle block")
    return DenseFeatures(image_hw=(height, width), **{name: tensors[name] for name in TENSORS})


def _checksum(key: str, body: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + b"\0" + body, digest_size=CHECKSUM_BYTES).digest()

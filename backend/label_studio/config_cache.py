"""What was read of labeling configs, kept within a number of bytes: one may be a megabyte long."""

import hashlib
from collections.abc import Callable
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from cachetools import LRUCache

T = TypeVar("T")

ENTRY_BYTES = 500  # of an entry's key and the cache's own records


class _Kept(NamedTuple, Generic[T]):
    value: T
    n_bytes: int


class ConfigCache(Generic[T]):
    """Called with a config, the result of `read`, which is kept for the next calls.

    Safe between threads. What `read` raises is not kept.
    """

    def __init__(
        self, read: Callable[[str], T], *, max_bytes: int, bytes_per_char: float = 0.0
    ) -> None:
        """`bytes_per_char`: memory of a result for each character of its config."""
        self._read, self._bytes_per_char = read, bytes_per_char
        self._results: LRUCache[bytes, _Kept[T]] = LRUCache(max_bytes, lambda kept: kept.n_bytes)
        self._lock = Lock()

    @property
    def size_bytes(self) -> int:
        return int(self._results.currsize)

    def __call__(self, label_config: str) -> T:
        # A digest, since the text itself would stay in memory, too.
        data = label_config.encode(errors="surrogatepass")
        key = hashlib.blake2b(data, digest_size=16).digest()
        with self._lock:
            kept = self._results.get(key)
        if kept is not None:
            return kept.value
        value = self._read(label_config)
        n_bytes = int(ENTRY_BYTES + self._bytes_per_char * len(label_config))
        with self._lock:
            if n_bytes <= self._results.maxsize:
                self._results[key] = _Kept(value, n_bytes)
        return value

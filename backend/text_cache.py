"""Text embeds asked of this process, then of the store, and only then of the model.

A text encoder that remembers: the same call, the same rows. What comes out of the store is
checked before it is believed; what is missing is encoded once, however many threads and
processes ask for it at the same time.
"""

import hashlib
import logging
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np
import redis
import torch
from torch import Tensor

from backend.errors import StoreError
from backend.store import Store, execute
from model import TEMPLATES, TextEncoder

log = logging.getLogger(__name__)

# magic, version, dtype, dim, checksum; then dim numbers
HEADER = struct.Struct("<4sBBH8s")
MAGIC, VERSION, FLOAT32_LE = b"FPTE", 1, 1
LONGEST_PLAIN_TEXT = 120  # bytes of a text that stand in its key; a longer one is hashed


@dataclass(frozen=True)
class TextCacheConfig:
    max_rows: int = 8192  # kept in this process; 12 MB at 384 dimensions
    ttl_s: int = 30 * 24 * 3600  # in the store, where it also lets them be evicted
    wait_s: float = 30.0  # for another process that encodes the same text, then encoded here too
    poll_s: float = 0.02


@dataclass(frozen=True)
class CacheCounters:
    """Texts since the start, by where their embed came from."""

    hits_process: int = 0  # or from a thread that was encoding it just then
    hits_store: int = 0
    misses: int = 0  # encoded by the model
    corrupt: int = 0  # of the misses: what the store held was not this embed


class CachedTextEncoder:
    """Same call as the encoder it is made of. Safe between threads; any store trouble is a miss."""

    def __init__(
        self, encoder: TextEncoder, store: Store, config: TextCacheConfig | None = None
    ) -> None:
        self.embed_dim = encoder.embed_dim
        self.fingerprint = encoder.fingerprint
        self.counters = CacheCounters()
        self._encoder = encoder
        self._store = store
        self._config = config or TextCacheConfig()
        self._rows: OrderedDict[str, Tensor] = OrderedDict()  # least recently used first
        self._flights: dict[str, Future[Tensor | None]] = {}  # being fetched by some thread
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str], templates: str = "imagenet80") -> Tensor:
        """Unit embeds (len(texts), embed_dim), float32 on the CPU."""
        if not texts or templates not in TEMPLATES:
            return self._encoder(texts, templates)  # the encoder knows what to say
        prefix = key_prefix(self.fingerprint, templates, TEMPLATES[templates])
        keys = [prefix + text_part(text) for text in texts]
        rows = self._gather(dict(zip(keys, texts, strict=True)), templates)
        return torch.stack([rows[key] for key in keys])

    def warm(self, texts: Sequence[str], templates: str = "imagenet80") -> None:
        """Encode ahead of need, from a thread of its own: a failure is logged, not raised."""
        try:
            self(texts, templates)
        except Exception:
            log.warning("The %d texts of a vocabulary cannot be encoded ahead.", len(texts))
            log.debug("encoding ahead failed", exc_info=True)

    def _gather(self, wanted: Mapping[str, str], templates: str) -> dict[str, Tensor]:
        """Rows by key. Each missing one is fetched by one thread; the others wait for that."""
        with self._lock:
            rows = {key: self._rows[key] for key in wanted if key in self._rows}
            for key in rows:
                self._rows.move_to_end(key)
            absent = [key for key in wanted if key not in rows]
            theirs = {key: self._flights[key] for key in absent if key in self._flights}
            mine: dict[str, Future[Tensor | None]] = {
                key: Future() for key in absent if key not in theirs
            }
            self._flights |= mine
        fetched: dict[str, Tensor] = {}
        try:
            fetched = self._fetch({key: wanted[key] for key in mine}, templates)
        finally:
            self._land(mine, fetched)
        rows |= fetched
        # After our own rows have landed, or two threads could wait for each other.
        arrived = {key: flight.result() for key, flight in theirs.items()}
        rows |= {key: row for key, row in arrived.items() if row is not None}
        self._count(hits_process=len(rows) - len(fetched))
        failed = {key: wanted[key] for key, row in arrived.items() if row is None}
        return rows | self._fetch(failed, templates)  # their failure need not be ours

    def _land(
        self, flights: Mapping[str, "Future[Tensor | None]"], rows: Mapping[str, Tensor]
    ) -> None:
        with self._lock:
            self._rows |= rows
            while len(self._rows) > self._config.max_rows:
                self._rows.popitem(last=False)
            for key in flights:
                del self._flights[key]
        for key, flight in flights.items():
            flight.set_result(rows.get(key))

    def _fetch(self, wanted: Mapping[str, str], templates: str) -> dict[str, Tensor]:
        """Rows of the store, and of the model where nobody else is at it already."""
        rows = self._load(wanted)
        give_up_s = time.monotonic() + self._config.wait_s
        while missing := [key for key in wanted if key not in rows]:
            claimed = self._claim(missing, may_wait=time.monotonic() < give_up_s)
            if claimed:
                try:
                    # Another process may have stored them between our look and our claim.
                    rows |= self._load(claimed)
                    ours = {key: wanted[key] for key in claimed if key not in rows}
                    rows |= self._encode(ours, templates)
                finally:
                    self._release(claimed)
            else:
                time.sleep(self._config.poll_s)
                rows |= self._load(missing)
        return rows

    def _load(self, keys: Sequence[str] | Mapping[str, str]) -> dict[str, Tensor]:
        """What the store holds, in one MGET, without what cannot be believed."""
        if not keys:
            return {}
        rows: dict[str, Tensor] = {}
        corrupt = 0
        for key, value in zip(keys, self._store.get_many(list(keys)), strict=True):
            row = None if value is None else unpack_row(key, value, self.embed_dim)
            if row is not None:
                rows[key] = torch.from_numpy(row)
            elif value is not None:
                corrupt += 1
        if corrupt:
            log.warning("%d text embeds in the store are not ours: encoded again.", corrupt)
        self._count(hits_store=len(rows), corrupt=corrupt)
        return rows

    def _encode(self, texts: Mapping[str, str], templates: str) -> dict[str, Tensor]:
        if not texts:
            return {}
        embeds = self._encoder(list(texts.values()), templates)  # (N, D)
        self._count(misses=len(texts))
        # Each row a tensor of its own: a kept view would keep the whole batch.
        rows = {key: row.clone() for key, row in zip(texts, embeds, strict=True)}
        self._store.set_many(
            {key: pack_row(key, row.numpy()) for key, row in rows.items()}, self._config.ttl_s
        )
        return rows

    def _claim(self, keys: Sequence[str], *, may_wait: bool) -> list[str]:
        """The keys that are ours to encode: all of them without a store to agree through."""
        lock_ms = int(1000 * self._config.wait_s)

        def claim(client: redis.Redis) -> list[bool]:
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.set(key + ":lock", b"", nx=True, px=lock_ms)
            return [bool(answer) for answer in execute(pipeline)]

        if not may_wait:
            return list(keys)
        try:
            won = self._store.run("agree on who encodes", claim)
        except StoreError:
            return list(keys)
        return [key for key, is_ours in zip(keys, won, strict=True) if is_ours]

    def _release(self, keys: Sequence[str]) -> None:
        # A lock of ours that ran out may be another's by now; losing it costs a second encoding.
        locks = [key + ":lock" for key in keys]
        self._store.remove(locks)

    def _count(self, **more: int) -> None:
        with self._lock:
            now = {name: getattr(self.counters, name) + number for name, number in more.items()}
            self.counters = replace(self.counters, **now)


def key_prefix(fingerprint: str, templates: str, contents: Sequence[str]) -> str:
    """What all texts share: these weights, these templates, by name and by what they say."""
    digest = hashlib.blake2b("\0".join(contents).encode(), digest_size=8).hexdigest()
    return f"firstpass:text:{fingerprint}:{templates}-{digest}:"


def text_part(text: str) -> str:
    """The exact text, or its hash where it is long or no valid Unicode (JSON may bring that)."""
    exact = text.encode("utf-8", "surrogatepass")
    is_plain = len(exact) <= LONGEST_PLAIN_TEXT and exact == text.encode("utf-8", "replace")
    return f"={text}" if is_plain else "#" + hashlib.blake2b(exact, digest_size=16).hexdigest()


def pack_row(key: str, row: np.ndarray) -> bytes:
    """The embed (D,) as stored. The checksum covers the key: a value is good under its own only."""
    numbers = row.astype("<f4").tobytes()
    return HEADER.pack(MAGIC, VERSION, FLOAT32_LE, row.size, _checksum(key, numbers)) + numbers


def unpack_row(key: str, value: bytes, embed_dim: int) -> np.ndarray | None:
    """The embed (D,), float32; None when the bytes are anything but this key's unit vector."""
    if len(value) != HEADER.size + 4 * embed_dim:
        return None
    numbers = value[HEADER.size :]
    expected = (MAGIC, VERSION, FLOAT32_LE, embed_dim, _checksum(key, numbers))
    if HEADER.unpack_from(value) != expected:
        return None
    row = np.frombuffer(numbers, "<f4").astype(np.float32)
    return row if abs(float(np.linalg.norm(row)) - 1) < 1e-3 else None  # NaN compares as False


def _checksum(key: str, numbers: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + b"\0" + numbers, digest_size=8).digest()

"""A text embed as bytes under a key, made so that nothing else can pass for it."""

import hashlib
import struct
from collections.abc import Sequence

import numpy as np

# magic, version, dtype, dim, checksum; then dim numbers
HEADER = struct.Struct("<4sBBH8s")
MAGIC, VERSION, FLOAT32_LE = b"FPTE", 1, 1
LONGEST_PLAIN_TEXT = 120  # bytes of a text that stand in its key; a longer one is hashed


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

"""Stored form of a text embed: a header with a checksum over key and numbers, then float32."""

import hashlib
import struct

import numpy as np
from numpy.typing import NDArray

# magic, version, dtype, dim, checksum; then dim numbers
HEADER = struct.Struct("<4sBBH8s")
MAGIC, VERSION, FLOAT32_LE = b"FPTE", 1, 1


def pack_row(key: str, row: NDArray[np.float32]) -> bytes:
    """Bytes of an embed (D,). The checksum covers the key, so it is valid under this key alone."""
    numbers = row.astype("<f4").tobytes()
    return HEADER.pack(MAGIC, VERSION, FLOAT32_LE, row.size, _checksum(key, numbers)) + numbers


def unpack_row(key: str, value: bytes, embed_dim: int) -> NDArray[np.float32] | None:
    """The embed (D,), float32; None if the bytes are not a unit vector stored under this key."""
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

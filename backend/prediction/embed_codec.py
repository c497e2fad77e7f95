"""A text embed as bytes under a key, made so that nothing else can pass for it."""

import hashlib
import struct

import numpy as np

# magic, version, dtype, dim, checksum; then dim numbers
HEADER = struct.Struct("<4sBBH8s")
MAGIC, VERSION, FLOAT32_LE = b"FPTE", 1, 1


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

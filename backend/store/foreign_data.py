"""Reads of keys that may hold data of another kind, written by another program or release."""

from collections.abc import Sequence
from typing import Any

import redis


def is_wrong_type(error: redis.ResponseError) -> bool:
    """Whether a command met a key of another type than it is for."""
    return "WRONGTYPE" in str(error)  # in a script's error it stands after other text


def read_text(client: redis.Redis, key: str) -> bytes | None:
    """The value of a key, None if there is none; b"" if it is of another kind than text."""
    try:
        value = client.get(key)
    except redis.ResponseError as error:
        if not is_wrong_type(error):
            raise
        return b""
    return value if isinstance(value, bytes) else None


def read_fields(client: redis.Redis, key: str, names: Sequence[str]) -> list[bytes]:
    """Fields of a hash; b"" for a missing one, and for all if the key is of another kind."""
    try:
        found: Any = client.hmget(key, list(names))
    except redis.ResponseError as error:
        if not is_wrong_type(error):
            raise
        found = [None] * len(names)
    return [value or b"" for value in found]


def set_aside_other_type(client: redis.Redis, key: str, kind: str) -> bool:
    """Rename a key that is not of this type to "<key>:damaged"; whether it was needed."""
    if client.type(key) in (kind.encode(), b"none"):
        return False
    client.rename(key, f"{key}:damaged")
    return True

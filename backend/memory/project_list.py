"""The set of the projects that have lessons; made anew from their keys if it is damaged."""

import logging
from collections.abc import Callable
from typing import Any

import redis

from backend.store.foreign_data import is_wrong_type
from backend.store.keys import MEMORY_PROJECTS_KEY, memory_key

log = logging.getLogger(__name__)


def read(client: redis.Redis) -> list[str]:
    """Names of the projects, sorted."""
    found: Any = _repaired(client, lambda: client.smembers(MEMORY_PROJECTS_KEY))
    return sorted(name.decode() for name in found if is_utf8(name))


def add(client: redis.Redis, project: str) -> None:
    _repaired(client, lambda: client.sadd(MEMORY_PROJECTS_KEY, project))


def remove(client: redis.Redis, project: str) -> None:
    _repaired(client, lambda: client.srem(MEMORY_PROJECTS_KEY, project))


def _repaired(client: redis.Redis, command: Callable[[], Any]) -> Any:
    """The command's answer; if the key is no set, after a repair."""
    try:
        return command()
    except redis.ResponseError as error:
        if not is_wrong_type(error):
            raise
        restore(client)
        return command()


def restore(client: redis.Redis) -> None:
    """Replace a key that is no set."""
    before, after = (part.encode() for part in memory_key("\0", "index").split("\0"))
    keys = client.scan_iter(match=before + b"*" + after, count=1000)
    names = [key.removeprefix(before).removesuffix(after) for key in keys]
    client.delete(MEMORY_PROJECTS_KEY)
    if names:
        client.sadd(MEMORY_PROJECTS_KEY, *names)
    log.warning("The list of projects in the store was damaged: made anew, %d found.", len(names))


def is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True

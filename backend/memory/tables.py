"""A project's tables in Redis, changed together: only what is asked for is read, only what changes
is written.
"""

from collections.abc import Iterable
from typing import Any

import redis
from redis.client import Pipeline

from backend.memory.annotation_lessons import Row
from backend.store.keys import MemoryPart, memory_key


class HashTable:
    """Fields of a hash, with changes that are not written yet."""

    def __init__(self, client: redis.Redis, key: str) -> None:
        self._client, self._key = client, key
        self._known: dict[str, bytes | None] = {}  # as read, or as it will be written
        self._changed: set[str] = set()

    def get(self, name: str) -> bytes | None:
        return self.get_many([name])[0]

    def get_many(self, names: list[str]) -> list[bytes | None]:
        if unknown := [name for name in names if name not in self._known]:
            found: Any = self._client.hmget(self._key, unknown)
            self._known |= dict(zip(unknown, found, strict=True))
        return [self._known[name] for name in names]

    def all(self) -> dict[str, bytes]:
        found: Any = self._client.hgetall(self._key)
        stored = {name.decode(errors="replace"): value for name, value in found.items()}
        merged = stored | {name: self._known[name] for name in self._changed}
        return {name: value for name, value in merged.items() if value is not None}

    def set(self, name: str, value: bytes | None) -> None:
        """Set a field; None removes it."""
        self._known[name] = value
        self._changed.add(name)

    def write(self, pipeline: Pipeline) -> None:
        values = {name: self._known[name] for name in self._changed}
        put: Any = {name: value for name, value in values.items() if value is not None}
        if put:
            pipeline.hset(self._key, mapping=put)
        if gone := [name for name, value in values.items() if value is None]:
            pipeline.hdel(self._key, *gone)


class RowTable:
    """Rows by name; one that cannot be read counts as missing."""

    def __init__(self, client: redis.Redis, key: str) -> None:
        self._table = HashTable(client, key)
        self.write = self._table.write
        self.n_unreadable = 0  # of the last `all`

    def get(self, name: str) -> Row | None:
        return Row.from_json(self._table.get(name))

    def get_many(self, names: list[str]) -> list[Row | None]:
        return [Row.from_json(data) for data in self._table.get_many(names)] if names else []

    def all(self) -> dict[str, Row]:
        found = {name: Row.from_json(data) for name, data in self._table.all().items()}
        readable = {name: row for name, row in found.items() if row is not None}
        self.n_unreadable = len(found) - len(readable)
        return readable

    def set(self, name: str, row: Row | None) -> None:
        self._table.set(name, None if row is None else row.to_json())


class ScoreTable:
    """Members of a sorted set, with changes that are not written yet."""

    def __init__(self, client: redis.Redis, key: str) -> None:
        self._client, self._key = client, key
        self._stored: dict[str, float | None] = {}  # scores as read
        self._changed: dict[str, float | None] = {}  # as they will be written

    def score(self, member: str) -> float | None:
        return self._changed[member] if member in self._changed else self._stored_score(member)

    def set(self, member: str, score: float | None) -> None:
        """Set a score; None removes the member."""
        self._changed[member] = score

    def count(self) -> int:
        n: Any = self._client.zcard(self._key)
        return int(n) + sum(
            (score is not None) - (self._stored_score(member) is not None)
            for member, score in self._changed.items()
        )

    def lowest(self, n: int) -> list[str]:
        """Up to n members, the lowest scores first."""
        if n <= 0:
            return []
        found: Any = self._client.zrange(self._key, 0, n - 1 + len(self._changed), withscores=True)
        return self._merged(found)[:n]

    def up_to(self, score: float) -> list[str]:
        """Members of this score or a lower one."""
        found: Any = self._client.zrangebyscore(self._key, "-inf", score, withscores=True)
        merged = self._merged(found)
        return [member for member in merged if (self.score(member) or 0.0) <= score]

    def write(self, pipeline: Pipeline) -> None:
        if put := {member: at for member, at in self._changed.items() if at is not None}:
            pipeline.zadd(self._key, put)
        if gone := [member for member, at in self._changed.items() if at is None]:
            pipeline.zrem(self._key, *gone)

    def _stored_score(self, member: str) -> float | None:
        if member not in self._stored:
            found: Any = self._client.zscore(self._key, member)
            self._stored[member] = found
        return self._stored[member]

    def _merged(self, found: Iterable[tuple[bytes, float]]) -> list[str]:
        stored = {member.decode(errors="replace"): score for member, score in found}
        self._stored |= stored
        scores = {
            member: score for member, score in (stored | self._changed).items() if score is not None
        }
        return sorted(scores, key=lambda member: (scores[member], member))


class ProjectTables:
    """All of one project's tables. `client`: a pipeline that watches the project's head."""

    def __init__(self, client: redis.Redis, project: str) -> None:
        def key(part: MemoryPart) -> str:
            return memory_key(project, part)

        self.rows = RowTable(client, key("annotations"))  # the present ones, by annotation
        self.past = RowTable(client, key("past"))  # of versions alone, by `past_name`
        self.past_until = ScoreTable(client, key("past-until"))  # of these, Row.until
        self.tasks = HashTable(client, key("tasks"))  # task -> JSON list of its annotations
        self.uses = HashTable(client, key("uses"))  # digest -> number of rows with this lesson
        self.pending = HashTable(client, key("pending"))  # annotations changed since a version
        self.taught_us = ScoreTable(client, key("taught"))  # annotations with lessons, updated_us
        self.empty_us = ScoreTable(client, key("empty"))  # those without
        self.deleted = ScoreTable(client, key("deleted"))  # annotation -> time, s since 1970
        self.deleted_tasks = ScoreTable(client, key("deleted-tasks"))

    def write(self, pipeline: Pipeline) -> None:
        for table in vars(self).values():
            table.write(pipeline)


def past_name(annotation: str, until: int) -> str:
    """Of an annotation's row that ended at this version; unlike for unlike ones."""
    return f"{until}:{annotation}"

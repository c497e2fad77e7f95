"""Reads what releases before the tables wrote: all of a project in one value, its index.

It is left there, so that such a release can go on with it. What that changes meanwhile is taken
over as well: it writes the key of its head then, which is removed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from backend.memory.annotation_lessons import AnnotationLessons, Row
from backend.memory.lesson_index import LessonIndex
from backend.memory.project_head import VersionHead

TAUGHT_JSON = TypeAdapter(AnnotationLessons)
TIMES_JSON = TypeAdapter(dict[str, float])
VERSION_JSON = TypeAdapter(VersionHead)


@dataclass
class OldIndex:
    annotations: dict[str, AnnotationLessons] = field(default_factory=dict)
    versions: list[tuple[VersionHead, dict[str, AnnotationLessons]]] = field(default_factory=list)
    deleted: dict[str, float] = field(default_factory=dict)
    deleted_tasks: dict[str, float] = field(default_factory=dict)
    changes: int = 0
    last_number: int = 0

    @staticmethod
    def from_json(data: bytes) -> "OldIndex":
        """What of it can be read. Raises ValueError for what is no index at all."""
        stored = orjson.loads(data)
        found = stored.get("index") if isinstance(stored, dict) else None
        if not isinstance(found, dict):
            raise ValueError("it is no index of lessons")
        index = OldIndex(
            annotations(found.get("annotations")),
            deleted=times(found.get("deleted")),
            deleted_tasks=times(found.get("deleted_tasks")),
        )
        versions = found.get("versions")
        for version in versions if isinstance(versions, list) else []:
            try:
                head = VERSION_JSON.validate_python(version)
            except ValidationError:
                continue
            head.tally = type(head.tally)()
            if head.number > index.last_number:
                index.versions.append((head, annotations(version.get("annotations"))))
                index.last_number = head.number
        number, changes = found.get("last_number"), found.get("changes")
        if isinstance(number, int) and index.last_number < number < 2**53:
            index.last_number = number
        if isinstance(changes, int) and 0 < changes < 2**53:
            index.changes = changes
        return index


def annotations(found: Any) -> dict[str, AnnotationLessons]:
    """Those that can be read."""
    good: dict[str, AnnotationLessons] = {}
    for key, one in found.items() if isinstance(found, Mapping) else ():
        try:
            good[key] = TAUGHT_JSON.validate_python(one)
        except ValidationError:
            continue
    return good


def times(found: Any) -> dict[str, float]:
    try:
        return TIMES_JSON.validate_python(found)
    except ValidationError:
        return {}


def convert(old: OldIndex, index: LessonIndex) -> None:
    """Fill an empty index with all of the old one, its versions too."""
    head, rows = index.head, index.rows
    head.last_number, head.changes = old.last_number, old.changes
    head.versions = [version for version, _ in old.versions]
    running: dict[str, Row] = {}  # what the version before holds
    for version, held in old.versions:
        for key in [key for key in running if not is_still(running[key], held.get(key))]:
            rows.put_past(key, Row(running[key].taught, running.pop(key).since, version.number))
        for key, taught in held.items():
            version.tally.add(taught)
            running.setdefault(key, Row(taught, version.number))
    for key, taught in old.annotations.items():
        row = running.get(key)
        if row is not None and is_still(row, taught):
            rows.put(key, Row(taught, running.pop(key).since))
        else:
            rows.put(key, Row(taught))
            index.tables.pending.set(key, b"")
    for key, row in running.items():
        rows.put_past(key, Row(row.taught, row.since, head.last_number + 1))
        index.tables.pending.set(key, b"")
    for key, at_s in old.deleted.items():
        index.tables.deleted.set(key, at_s)
    for key, at_s in old.deleted_tasks.items():
        index.tables.deleted_tasks.set(key, at_s)


def merge(old: OldIndex, index: LessonIndex, now_s: float) -> None:
    """Take over what a release with the old index has learned since the last time."""
    index.delete([key for key in old.deleted if index.tables.deleted.score(key) is None], now_s)
    tasks = [key for key in old.deleted_tasks if index.tables.deleted_tasks.score(key) is None]
    index.delete_tasks(tasks, now_s)
    n_changes = index.head.changes
    for key, taught in old.annotations.items():
        if not index.is_known(key, taught.task, taught.updated_us):
            index.set_lessons(key, taught)
    if old.changes == 0 and index.head.changes > n_changes:
        index.publish(now_s)


def is_still(row: Row, taught: AnnotationLessons | None) -> bool:
    return taught is not None and row.taught.teaches_as(taught)

"""Changes a project's head and tables in one transaction, whatever lies in their keys."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
from redis.client import Pipeline

from backend.errors import StoreError
from backend.log_once import WarnOnce
from backend.memory import old_index, project_list
from backend.memory.lesson_index import LessonIndex, Limits
from backend.memory.lesson_rows import LessonRows
from backend.memory.lesson_snapshot import LessonSnapshot
from backend.memory.project_head import NewerFormat, ProjectHead, recount
from backend.memory.tables import ProjectTables
from backend.store.foreign_data import read_text, set_aside_other_type
from backend.store.keys import MEMORY_TYPES, memory_key
from backend.store.store import Store, execute_pipeline

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class IndexUpdate:
    changed: bool  # what the change returned
    head: ProjectHead  # as it is stored now
    is_version_new: bool


class ProjectUpdates:
    """Safe between threads and processes."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store, self._limits = store, limits
        self._warn_once = WarnOnce(log)
        self.unreadable: dict[str, str] = {}  # project -> why, for /ready

    def apply(
        self,
        project: str,
        change: Callable[[LessonIndex], bool],
        data: Mapping[str, bytes] | None = None,
    ) -> IndexUpdate:
        """Apply `change` and store what it changed. Raises StoreError.

        `data`: bytes of new lessons by digest.
        """
        lessons_key, data = memory_key(project, "lessons"), data or {}

        def update(client: redis.Redis) -> IndexUpdate:
            project_list.add(client, project)
            self._set_aside_other_types(client, project)
            with client.pipeline(transaction=True) as pipeline:
                while True:
                    index, other = self._open(pipeline, project)
                    head = index.head
                    last_number = head.last_number
                    changed = change(index)
                    index.trim(self._limits)
                    unused = index.rows.unused_lessons()
                    # Known ones as well, whose stored bytes may be damaged.
                    used: Any = {key: data[key] for key in data if index.tables.uses.get(key)}
                    pipeline.multi()
                    pipeline.set(memory_key(project, "state"), head.to_json(other))
                    pipeline.delete(memory_key(project, "head"))
                    index.tables.write(pipeline)
                    if used:
                        pipeline.hset(lessons_key, mapping=used)
                    if unused:
                        pipeline.hdel(lessons_key, *unused)
                    try:
                        execute_pipeline(pipeline)
                    except redis.WatchError:  # another worker changed the index meanwhile
                        continue
                    return IndexUpdate(changed, head, head.last_number > last_number)

        found = self._store.run("store lessons", update)
        self.unreadable.pop(project, None)
        return found

    def look(self, project: str, question: Callable[[LessonIndex], T]) -> T:
        """The answer to a question that changes nothing. Raises StoreError."""

        def ask(client: redis.Redis) -> T:
            self._set_aside_other_types(client, project)
            with client.pipeline(transaction=True) as pipeline:
                return question(self._open(pipeline, project)[0])

        return self._store.run("read a memory", ask)

    def head(self, project: str) -> ProjectHead:
        """The head, without lessons if it is of a later release. Raises StoreError.

        One request; what another release wrote, or damaged, is first stored as ours.
        """
        keys = [memory_key(project, part) for part in ("state", "head")]

        def read(client: redis.Redis) -> list[Any]:
            pipeline = client.pipeline(transaction=False)
            pipeline.mget(keys)
            pipeline.exists(memory_key(project, "index"), memory_key(project, "annotations"))
            return execute_pipeline(pipeline)

        (state, old_head), n_others = self._store.run("read a memory", read)
        if state is None and not n_others:
            return ProjectHead()
        try:
            head, _ = ProjectHead.from_json(state or b"")
        except NewerFormat as error:
            self._report_newer(project, error)
            return ProjectHead()
        except ValueError:
            old_head = True
        if not old_head:
            self.unreadable.pop(project, None)
            return head
        try:
            return self.apply(project, lambda _: False).head
        except StoreError:  # logged where it arose
            return self.look(project, lambda index: index.head)

    def snapshot(self, project: str) -> LessonSnapshot:
        """Raises StoreError."""

        def read(index: LessonIndex) -> LessonSnapshot:
            tables = index.tables
            found = LessonSnapshot.of(index.head, tables.rows.all(), tables.past.all())
            if n := tables.rows.n_unreadable + tables.past.n_unreadable:
                self._warn_once(
                    f"project {project}: what {n} annotations taught is damaged in the store, and "
                    "is not used. `python -m backend memory learn` has them learned anew."
                )
            return found

        return self.look(project, read)

    def _open(self, pipeline: Pipeline, project: str) -> tuple[LessonIndex, Mapping[str, Any]]:
        """The index as of now, which the pipeline watches, and the head's fields of other releases.

        Raises StoreError for a later format.
        """
        keys = [memory_key(project, part) for part in ("state", "head", "index")]
        pipeline.watch(*keys)
        tables = ProjectTables(pipeline, project)
        state, old_head = read_text(pipeline, keys[0]), pipeline.exists(keys[1])
        other: Mapping[str, Any] = {}
        try:
            head, other = ProjectHead.from_json(state or b"")
        except NewerFormat as error:
            raise StoreError(self._report_newer(project, error)) from error
        except ValueError:
            head = recount(tables.rows.all(), tables.past.all().values(), len(tables.pending.all()))
            if state is not None:
                self._warn_once(
                    f"project {project}: the summary of what it learned was damaged or of another "
                    "release, and is counted anew from its lessons."
                )
        index = LessonIndex(LessonRows(head, tables))
        if old_head or state is None:
            self._take_over(project, index, read_text(pipeline, keys[2]))
        return index, other

    def _take_over(self, project: str, index: LessonIndex, data: bytes | None) -> None:
        """Convert the index of an earlier release, or merge what it learned meanwhile."""
        if data is None:
            return
        try:
            old = old_index.OldIndex.from_json(data)
        except ValueError as error:
            self._warn_once(
                f"What an earlier release of Firstpass learned of project {project} cannot be read "
                f"({error!s:.200}). It is left in {memory_key(project, 'index')}, and is not used."
            )
            return
        if index.head == ProjectHead():
            old_index.convert(old, index)
        else:
            old_index.merge(old, index, time.time())

    def _set_aside_other_types(self, client: redis.Redis, project: str) -> None:
        """Move what no release of Firstpass wrote there out of the way."""
        keys = {memory_key(project, part): kind for part, kind in MEMORY_TYPES.items()}
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.type(key)
        for (key, kind), found in zip(keys.items(), execute_pipeline(pipeline), strict=True):
            if found not in (kind.encode(), b"none") and set_aside_other_type(client, key, kind):
                log.warning(
                    "project %s: other data lay in %s: what was there is lost.", project, key
                )

    def _report_newer(self, project: str, error: NewerFormat) -> str:
        sentence = (
            f"What project {project} learned cannot be read ({error}): a later version of "
            "Firstpass wrote it. Predictions go without it, and corrections wait. Install that "
            f"version again; or `python -m backend memory forget {project}` starts it anew."
        )
        if self.unreadable.get(project) != sentence:
            log.warning("%s", sentence)
        self.unreadable[project] = sentence
        return sentence

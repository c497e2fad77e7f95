"""The lessons of all projects in Redis, shared by all workers.

Each project has an index (`lesson_index`), the bytes of its lessons by digest, and a summary
(`project_summary`). The three change together in an optimistic transaction, so any worker may
change them at any time. Predictions use a version, which is frozen except for deletions; those
change its name.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import redis

from backend.errors import StoreError
from backend.memory.lesson_index import AnnotationLessons, LessonIndex, LessonRef, Limits
from backend.memory.project_summary import summarize
from backend.store.keys import MEMORY_PROJECTS_KEY, memory_key
from backend.store.store import Store, execute_pipeline
from model import Lesson, ModelError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NewLesson:
    """A lesson of an annotation, for one control (its name in the config) and one page."""

    control: str
    page: int
    lesson: Lesson


class LessonStore:
    """Safe between threads and processes. All changes are idempotent and may come in any order."""

    def __init__(self, store: Store, learn_every: int = 5, limits: Limits | None = None) -> None:
        """`learn_every`: number of changed annotations after which a version is made."""
        self._store = store
        self._learn_every = learn_every
        self._limits = limits or Limits()

    # --- changes; all raise StoreError while the store is down

    def teach(
        self,
        project: str,
        annotation: str,
        task: str,
        updated_us: int,
        lessons: Sequence[NewLesson],
        *,
        queued_as: str = "",
    ) -> bool:
        """Set the lessons of an annotation; False if a newer update or a deletion is known.

        `queued_as`: stream id of the event, which is compared with that of START_TRAINING.
        """
        data = {one.lesson.digest: one.lesson.to_bytes() for one in lessons}
        refs = tuple(
            LessonRef(
                one.control,
                one.page,
                one.lesson.digest,
                one.lesson.space,
                one.lesson.labels,
                len(data[one.lesson.digest]),
            )
            for one in lessons
        )

        def change(index: LessonIndex) -> bool:
            taught = AnnotationLessons(updated_us, task, refs)
            changed = index.teach(annotation, taught, queued_as=queued_as, now_s=time.time())
            if index.changes >= self._learn_every:
                index.publish(time.time())
            return changed

        return self._update_index(project, change, data)

    def is_known(self, project: str, annotation: str, task: str, updated_us: int) -> bool:
        """Whether `teach` would change nothing, so that the lessons need not be made."""
        return self.index(project).is_known(annotation, task, updated_us)

    def cancel(self, project: str, annotation: str, task: str, updated_us: int) -> bool:
        """Drop the lessons of an annotation that was skipped; whether that changed anything."""
        taught = AnnotationLessons(updated_us, task, ())
        return self._update_index(project, lambda index: index.cancel(annotation, taught))

    def delete(
        self, project: str, annotations: Iterable[str] = (), tasks: Iterable[str] = ()
    ) -> bool:
        """Remove annotations, or all of these tasks, for good; whether they had lessons."""
        annotations, tasks, now_s = list(annotations), list(tasks), time.time()

        def change(index: LessonIndex) -> bool:
            by_task = index.delete_tasks(tasks, now_s)
            return index.delete(annotations, now_s) or by_task

        return self._update_index(project, change)

    def train(self, project: str, *, queued_as: str = "") -> bool:
        """Make a version of all lessons, which earlier events still in the queue will join."""

        def change(index: LessonIndex) -> bool:
            index.trained = queued_as or index.trained
            return index.publish(time.time())

        return self._update_index(project, change)

    def forget(self, project: str) -> bool:
        """Delete all keys of the project; whether there were any."""
        keys = [memory_key(project, part) for part in ("index", "lessons", "head")]

        def change(client: redis.Redis) -> bool:
            client.srem(MEMORY_PROJECTS_KEY, project)
            return bool(client.delete(*keys))

        return self._store.run("forget a project", change)

    # --- reads; `projects`, `index` and `lessons` raise StoreError while the store is down

    def projects(self) -> list[str]:
        """Names of the projects with lessons, sorted."""
        found = self._store.run(
            "list projects", lambda client: client.smembers(MEMORY_PROJECTS_KEY)
        )
        return sorted(name.decode() for name in found if isinstance(name, bytes))

    def index(self, project: str) -> LessonIndex:
        """The index of a project, empty if it has no lessons."""
        data = self._store.run(
            "read a memory", lambda client: client.get(memory_key(project, "index"))
        )
        return parse_index(project, data)

    def lessons(self, project: str, refs: Sequence[LessonRef]) -> dict[str, Lesson]:
        """Lessons by digest; missing and damaged ones are left out, with a warning."""
        digests = sorted({ref.digest for ref in refs})
        if not digests:
            return {}
        found = self._store.run(
            "read lessons", lambda client: client.hmget(memory_key(project, "lessons"), digests)
        )
        lessons = {}
        for digest, data in zip(digests, found, strict=True):
            try:
                lessons[digest] = Lesson.from_bytes(data if isinstance(data, bytes) else b"")
            except ModelError as error:
                log.warning("project %s: a lesson is lost: %s", project, error)
        return lessons

    def _update_index(
        self,
        project: str,
        change: Callable[[LessonIndex], bool],
        data: Mapping[str, bytes] | None = None,
    ) -> bool:
        """Apply `change` to the index and store index, summary and lessons in one transaction.

        `data`: bytes of new lessons by digest. Returns what `change` returned.
        """
        data = data or {}
        index_key, lessons_key, head_key = (
            memory_key(project, part) for part in ("index", "lessons", "head")
        )

        def update(client: redis.Redis) -> bool:
            client.sadd(MEMORY_PROJECTS_KEY, project)
            with client.pipeline(transaction=True) as pipeline:
                while True:
                    pipeline.watch(index_key)
                    index = parse_index(project, pipeline.get(index_key))
                    known = index.digests()
                    changed = change(index)
                    index.trim(self._limits)
                    digests = index.digests()
                    pipeline.multi()
                    pipeline.set(index_key, index.to_json())
                    pipeline.set(head_key, summarize(index).to_json())
                    if new := (digests - known) & data.keys():
                        pipeline.hset(lessons_key, mapping={key: data[key] for key in new})
                    if unused := known - digests:
                        pipeline.hdel(lessons_key, *unused)
                    try:
                        execute_pipeline(pipeline)
                    except redis.WatchError:  # another worker changed the index meanwhile
                        continue
                    return changed

        return self._store.run("store lessons", update)


def parse_index(project: str, data: bytes | str | None) -> LessonIndex:
    try:
        return LessonIndex.from_json(data)
    except ValueError as error:
        raise StoreError(
            f"What project {project} learned cannot be read ({error}): another version of "
            f"Firstpass may have written it. `python -m backend memory forget {project}` starts it "
            "anew."
        ) from error

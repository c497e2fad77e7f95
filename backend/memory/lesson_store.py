"""The lessons of all projects, in the store: shared by all workers, and there after a restart.

Of each project, under one hash tag: an index (`memory_index`), the bytes of its lessons by their
digest, and a head, which is what a request needs to know. The index changes in optimistic
transactions, so that any worker may change it at any time. Predictions use a version, which is
frozen: what one version says of an image does not change, but for deletions, which change its name.
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
    """What an annotation teaches about one control and page."""

    control: str
    page: int
    lesson: Lesson


class LessonStore:
    """Safe between threads and processes; every change may come twice and in any order."""

    def __init__(self, store: Store, learn_every: int = 5, limits: Limits | None = None) -> None:
        """`learn_every`: so many changed annotations make a version by themselves."""
        self._store = store
        self._learn_every = learn_every
        self._limits = limits or Limits()

    # --- what changes it; all raise StoreError while the store is away

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
        """Take in what an annotation teaches now; False when something newer is known of it."""
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
        """Whether teaching this would change nothing, so that it need not be worked out."""
        return self.index(project).is_known(annotation, task, updated_us)

    def cancel(self, project: str, annotation: str, task: str, updated_us: int) -> bool:
        taught = AnnotationLessons(updated_us, task, ())
        return self._update_index(project, lambda index: index.cancel(annotation, taught))

    def delete(
        self, project: str, annotations: Iterable[str] = (), tasks: Iterable[str] = ()
    ) -> bool:
        """Take annotations, or all those of tasks, out of the newest and the kept versions."""
        annotations, tasks, now_s = list(annotations), list(tasks), time.time()

        def change(index: LessonIndex) -> bool:
            by_task = index.delete_tasks(tasks, now_s)
            return index.delete(annotations, now_s) or by_task

        return self._update_index(project, change)

    def train(self, project: str, *, queued_as: str = "") -> bool:
        """Make a version of all that is known, and of what stands before this in the queue."""

        def change(index: LessonIndex) -> bool:
            index.trained = queued_as or index.trained
            return index.publish(time.time())

        return self._update_index(project, change)

    def forget(self, project: str) -> bool:
        """Everything about the project; whether there was anything."""
        keys = [memory_key(project, part) for part in ("index", "lessons", "head")]

        def change(client: redis.Redis) -> bool:
            client.srem(MEMORY_PROJECTS_KEY, project)
            return bool(client.delete(*keys))

        return self._store.run("forget a project", change)

    # --- what reads it

    def projects(self) -> list[str]:
        """Those that taught something, sorted. StoreError while the store is away."""
        found = self._store.run(
            "list projects", lambda client: client.smembers(MEMORY_PROJECTS_KEY)
        )
        return sorted(name.decode() for name in found)  # type: ignore[union-attr]

    def index(self, project: str) -> LessonIndex:
        """StoreError while the store is away."""
        data = self._store.run(
            "read a memory", lambda client: client.get(memory_key(project, "index"))
        )
        return parse_index(project, data)  # type: ignore[arg-type]

    def lessons(self, project: str, refs: Sequence[LessonRef]) -> dict[str, Lesson]:
        """Lessons by digest, without those that are gone or damaged."""
        digests = sorted({ref.digest for ref in refs})
        if not digests:
            return {}
        found = self._store.run(
            "read lessons", lambda client: client.hmget(memory_key(project, "lessons"), digests)
        )
        lessons = {}
        for digest, data in zip(digests, found, strict=True):
            try:
                lessons[digest] = Lesson.from_bytes(data or b"")  # type: ignore[arg-type]
            except ModelError as error:
                log.warning("project %s: a lesson is lost: %s", project, error)
        return lessons

    def _update_index(
        self,
        project: str,
        change: Callable[[LessonIndex], bool],
        data: Mapping[str, bytes] | None = None,
    ) -> bool:
        """Change the index and what hangs on it, all or nothing; what `act` returned."""
        data = data or {}
        index_key, lessons_key, head_key = (
            memory_key(project, part) for part in ("index", "lessons", "head")
        )

        def update(client: redis.Redis) -> bool:
            client.sadd(MEMORY_PROJECTS_KEY, project)
            with client.pipeline(transaction=True) as pipeline:
                while True:
                    pipeline.watch(index_key)
                    index = parse_index(project, pipeline.get(index_key))  # type: ignore[arg-type]
                    known = index.digests()
                    changed = change(index)
                    index.trim(self._limits)
                    digests = index.digests()
                    pipeline.multi()
                    pipeline.set(index_key, index.to_json())
                    pipeline.set(head_key, summarize(index).to_json())
                    if new := {key: data[key] for key in (digests - known) & data.keys()}:
                        pipeline.hset(lessons_key, mapping=new)  # type: ignore[arg-type]
                    if gone := known - digests:
                        pipeline.hdel(lessons_key, *gone)
                    try:
                        execute_pipeline(pipeline)
                    except redis.WatchError:  # another worker was quicker
                        continue
                    return changed

        return self._store.run("keep what was learnt", update)


def parse_index(project: str, data: bytes | None) -> LessonIndex:
    try:
        return LessonIndex.from_json(data)
    except ValueError as error:
        raise StoreError(
            f"What project {project} learnt cannot be read ({error}): another version of Firstpass "
            f"may have written it. `python -m backend memory forget {project}` starts it anew."
        ) from error

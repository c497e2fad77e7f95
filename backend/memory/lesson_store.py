"""The lessons of all projects in Redis, shared by all workers.

Each project has a head (`project_head`), tables of its annotations (`tables`), and the bytes of its
lessons by digest. They change together in an optimistic transaction (`project_update`), so any
worker may change them at any time. Predictions use a version, which is frozen except for deletions;
those change its name.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import redis

from backend.memory import lesson_log, project_list
from backend.memory.agreement import Agreement, join_pages
from backend.memory.annotation_lessons import AnnotationLessons, LessonRef
from backend.memory.lesson_index import LessonIndex, Limits
from backend.memory.lesson_snapshot import LessonSnapshot
from backend.memory.project_head import ProjectHead
from backend.memory.project_update import IndexUpdate, ProjectUpdates
from backend.metrics import Metrics
from backend.store.foreign_data import read_fields
from backend.store.keys import memory_key, memory_keys
from backend.store.store import Store
from model import Lesson, ModelError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NewLesson:
    """A lesson of an annotation, for one control (its name in the config) and one page."""

    control: str
    page: int
    lesson: Lesson
    agreement: Agreement | None = None  # with what was shown there; None: unknown

    def ref(self, n_bytes: int) -> LessonRef:
        one = self.lesson
        return LessonRef(self.control, self.page, one.digest, one.space, one.labels, n_bytes)


class LessonStore:
    """Safe between threads and processes. All changes are idempotent and may come in any order."""

    def __init__(
        self,
        store: Store,
        learn_every: int = 5,
        limits: Limits | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """`learn_every`: number of changed annotations after which a version is made."""
        self._store = store
        self._learn_every = learn_every
        self._metrics = metrics or Metrics()
        self.limits = limits or Limits()
        self._updates = ProjectUpdates(store, self.limits)
        self.unreadable = self._updates.unreadable

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
        is_again: bool = False,
        more_follow: bool = False,
    ) -> bool:
        """Set the lessons of an annotation; False if a newer update or a deletion is known.

        `queued_as`: stream id of the event, which is compared with that of START_TRAINING.
        `is_again`: an update that is known is learned once more. `more_follow`: of a batch, of
        whose parts no versions are made, since many would take the place of all that are kept.
        """
        data = {one.lesson.digest: one.lesson.to_bytes() for one in lessons}
        refs = tuple(one.ref(len(data[one.lesson.digest])) for one in lessons)
        agreement = join_pages(one.agreement for one in lessons)
        counted: list[Agreement | None] = []

        def change(index: LessonIndex) -> bool:
            taught = AnnotationLessons(updated_us, task, refs, agreement)
            changed = index.teach(
                annotation, taught, queued_as=queued_as, now_s=time.time(), is_again=is_again
            )
            stored = index.tables.rows.get(annotation)
            counted[:] = [stored.taught.agreement if stored and changed else None]
            if index.head.changes >= self._learn_every and not more_follow:
                index.publish(time.time())
            return changed

        update = self._updates.apply(project, change, data)
        if update.changed:
            seen = agreement if agreement and agreement in counted else None
            if seen is not None:
                self._metrics.count_agreement(seen.labels, seen.iou_sum, seen.regions)
            log.info("%s", lesson_log.taught_line(project, annotation, refs, seen, update.head))
        else:
            log.info("%s", lesson_log.known_line(project, annotation))
        self._log_version(project, update)
        return update.changed

    def is_known(
        self, project: str, annotation: str, task: str, updated_us: int, *, is_again: bool = False
    ) -> bool:
        """Whether `teach` would change nothing, so that the lessons need not be made."""
        return self._updates.look(
            project,
            lambda index: index.is_known(annotation, task, updated_us, is_again=is_again),
        )

    def cancel(self, project: str, annotation: str, task: str, updated_us: int) -> bool:
        """Drop the lessons of an annotation that was skipped; whether that changed anything."""
        taught = AnnotationLessons(updated_us, task, ())
        update = self._updates.apply(project, lambda index: index.cancel(annotation, taught))
        log.info("%s", lesson_log.skipped_line(project, annotation, update.changed))
        return update.changed

    def delete(
        self, project: str, annotations: Iterable[str] = (), tasks: Iterable[str] = ()
    ) -> bool:
        """Remove annotations, or all of these tasks, for good; whether they had lessons."""
        annotations, tasks, now_s = list(annotations), list(tasks), time.time()

        def change(index: LessonIndex) -> bool:
            by_task = index.delete_tasks(tasks, now_s)
            return index.delete(annotations, now_s) or by_task

        had_lessons = self._updates.apply(project, change).changed
        # One that took nothing out may be the same again: each is applied at once and in its turn.
        level = logging.INFO if had_lessons else logging.DEBUG
        log.log(level, "%s", lesson_log.deleted_line(project, annotations, tasks, had_lessons))
        return had_lessons

    def train(self, project: str) -> bool:
        """Make a version of all lessons now; False if the newest one equals it."""
        return self._train(project, lambda index: index.publish(time.time()))

    def ask_version(self, project: str, *, queued_as: str, wait_s: float) -> None:
        """Have a version made by the next annotation, or by `finish_training` after `wait_s`.

        Earlier events that are still in the queue join it. `queued_as`: stream id of the event.
        """

        def change(index: LessonIndex) -> bool:
            index.ask_version(queued_as, time.time() + wait_s)
            return False

        self._updates.apply(project, change)
        log.info("project %s: a version is asked for.", project)

    def finish_training(self, project: str) -> bool:
        """Make the version that was asked for, unless an annotation did; whether one was made."""
        if not self.head(project).training_due_s:
            return False
        return self._train(project, lambda index: index.finish_training(time.time()))

    def _train(self, project: str, change: Callable[[LessonIndex], bool]) -> bool:
        update = self._updates.apply(project, change)
        if not update.changed:
            log.info("%s", lesson_log.unchanged_line(project, update.head))
        self._log_version(project, update)
        return update.changed

    def forget(self, project: str) -> bool:
        """Delete all keys of the project; whether there were any."""
        keys = memory_keys(project)

        def change(client: redis.Redis) -> bool:
            project_list.remove(client, project)
            return bool(client.delete(*keys))

        was_there = self._store.run("forget a project", change)
        log.info("project %s: all that it learned is forgotten.", project)
        self.unreadable.pop(project, None)
        return was_there

    # --- reads; all raise StoreError while the store is down

    def projects(self) -> list[str]:
        """Names of the projects with lessons, sorted."""
        return self._store.run("list projects", project_list.read)

    def head(self, project: str) -> ProjectHead:
        """Versions and counts of a project, by one request; none if they cannot be read."""
        return self._updates.head(project)

    def index(self, project: str) -> LessonSnapshot:
        """All annotations and versions of a project, none if it has no lessons.

        Raises StoreError also if they are of a later release.
        """
        return self._updates.snapshot(project)

    def lessons(self, project: str, refs: Sequence[LessonRef]) -> dict[str, Lesson]:
        """Lessons by digest; missing and damaged ones are left out, with a warning."""
        found: dict[str, Lesson] = {}
        for digest, data in self._stored(project, refs).items():
            with contextlib.suppress(ModelError):
                found[digest] = Lesson.from_bytes(data)
        n_wanted = len({ref.digest for ref in refs})
        if lost := n_wanted - len(found):
            log.warning(
                "project %s: %d of %d lessons are missing or damaged in the store, and are not "
                "used. `python -m backend memory learn %s` has them learned anew.",
                project, lost, n_wanted, project,
            )  # fmt: skip
        return found

    def current(self, project: str, refs: Sequence[LessonRef]) -> set[str]:
        """Digests of those lessons that hold all that this release's lessons hold."""
        found: set[str] = set()
        for digest, data in self._stored(project, refs).items():
            with contextlib.suppress(ModelError):
                found |= {digest} if Lesson.is_current(data) else set()
        return found

    def _stored(self, project: str, refs: Sequence[LessonRef]) -> dict[str, bytes]:
        """Bytes of lessons by digest; of those alone that are whole."""
        digests = sorted({ref.digest for ref in refs})
        if not digests:
            return {}
        key = memory_key(project, "lessons")
        found = self._store.run("read lessons", lambda client: read_fields(client, key, digests))
        return {
            digest: data
            for digest, data in zip(digests, found, strict=True)
            if blake2b(data, digest_size=16).hexdigest() == digest
        }

    @staticmethod
    def _log_version(project: str, update: IndexUpdate) -> None:
        if update.is_version_new:
            log.info("%s", lesson_log.version_line(project, update.head))

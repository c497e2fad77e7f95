"""The thread that processes queued webhook events: makes, deletes and publishes lessons.

An event is acknowledged after its lessons are stored, so the event of a killed worker is delivered
again; every step is idempotent. An event that cannot be learned from is set aside, with a warning:
at once if it is invalid, after two failures if the reason may be temporary. While the store or the
model has no room, events wait, however long.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.errors import FirstpassError, OutOfTime, Overloaded, RequestError, StoreError
from backend.label_studio.webhook_events import (
    Annotation,
    describe_annotation,
    describe_event,
    describe_project,
    event_of,
    event_project,
    is_handled,
    project_key,
    raw_annotations,
    read_annotation,
)
from backend.learning.event_queue import EventQueue, QueuedEvent
from backend.learning.lesson_maker import LessonMaker
from backend.learning.packed_event import pack_event
from backend.learning.queue_store import MAX_TRIES
from backend.learning.set_aside import RefusedPart
from backend.learning.trainings import Trainings
from backend.log_once import WarnOnce
from backend.memory.lesson_store import LessonStore
from backend.memory.predicted_masks import PredictedMasks
from backend.metrics import Counts
from backend.recent_failures import RecentFailures, error_code, explained
from model import ModelError

log = logging.getLogger(__name__)


def new_counts() -> Counts:
    return Counts(
        "lessons",  # stored, one for each control and page of an annotation
        "events",  # processed without an error
        "failures",  # errors, one for each attempt
        "set_aside",  # events, or annotations of one
    )


@dataclass
class LearningWorker:
    make_lessons: LessonMaker
    queue: EventQueue
    lessons: LessonStore
    failures: RecentFailures
    predicted_masks: PredictedMasks | None = None
    is_learning: bool = True  # False: only deletions are processed
    training_wait_s: float = 0.0  # TRAINING_WAIT_S
    poll_s: float = 1.0  # between reads of the queue, which other workers fill as well
    counts: Counts = field(default_factory=new_counts)

    def __post_init__(self) -> None:
        self._warn_once = WarnOnce(log)
        self._trainings = Trainings(self.lessons, self.training_wait_s)
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="learner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Read the queue now, without waiting for `poll_s`."""
        self._wake.set()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Finish the current event, then end the thread; whether it ended in time."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:  # it was started
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                while not self._stopping.is_set() and self.process_one():
                    pass
            except Exception:
                log.exception("learning from corrections failed; it goes on")
            self._wake.wait(self.poll_s)

    def process_one(self) -> bool:
        """Process the next event; False if the queue is empty. Expected errors are logged."""
        queued = next(iter(self.queue.take(1)), None)
        if self.is_learning:
            self._trainings.finish_due()
        if queued is None:
            return False
        n_tried = 0
        try:
            reasons = self.queue.tries.begin(queued.id)
            n_tried = len(reasons)
            if n_tried >= MAX_TRIES:
                raise RequestError(
                    f"It failed {n_tried} times, last because: {reasons[-1]}. When that is mended, "
                    "`python -m backend memory retry` has it tried again."
                )
            if is_handled(queued.event):  # the store may hold what no webhook took in
                action = str(queued.event["action"])
                is_last = n_tried == MAX_TRIES - 1
                HANDLERS.get(action, LearningWorker.ignore)(self, queued, is_last)
            self.queue.acknowledge([queued.id])
            self.counts.add(events=1)
        except Exception as error:
            self._note_failure(queued, explained(error), n_tried + 1)
        return True

    def _note_failure(self, queued: QueuedEvent, error: Exception, number: int) -> None:
        """Set the event aside, or have it come again. `number`: of the try that failed."""
        what = f"{queued.event.get('action')} of {describe_event(queued.event)}"
        if isinstance(error, RequestError | ModelError):
            try:
                self._set_aside(queued, [(queued.event, what, error)])
                return
            except StoreError as store_error:
                error = store_error
        if isinstance(error, StoreError | Overloaded) and not isinstance(error, OutOfTime):
            self.queue.tries.excuse(queued.id, number)
            # Once, since each event comes again until there is room.
            self._warn_once(f"Corrections of {describe_project(queued.event)} wait: {error}")
            self.counts.add(failures=1)
            return
        if error_code(error) == "internal":
            log.error("%s: unexpected error", what, exc_info=error)
        self.queue.tries.fail(queued.id, number, str(error))
        self._report_failure(f"{what} comes again", error, queued)

    def learn_event(self, queued: QueuedEvent, is_last_try: bool) -> None:
        """Store lessons of each annotation of the event; one invalid annotation stops no other.

        A temporary error is raised after all of them were tried, so that the event comes again.
        """
        if not self.is_learning:
            self._warn_once(
                f"{describe_project(queued.event)}: nothing is learned of annotations that wait in "
                "the queue, and they leave it, since LEARN=off."
            )
            return
        transient_error: FirstpassError | None = None
        refused: list[tuple[Mapping[str, Any], str, Exception]] = []
        for raw in raw_annotations(queued.event):
            try:
                annotation = read_annotation(raw, queued.event)
                self.learn_annotation(annotation, queued, is_last_try=is_last_try)
            except (RequestError, ModelError) as error:
                what = describe_annotation(raw, queued.event)
                refused.append((event_of(raw, queued.event), what, error))
            except StoreError:
                raise
            except FirstpassError as error:
                transient_error = error
        if transient_error is not None:
            raise transient_error
        if refused:
            self._set_aside(queued, refused)

    def learn_annotation(
        self, annotation: Annotation, queued: QueuedEvent, *, is_last_try: bool
    ) -> None:
        project = queued.event["project"]
        revision = (annotation.id, annotation.task_id, annotation.updated_us)
        if annotation.was_cancelled:
            self.lessons.cancel(project_key(project), *revision)
            return
        is_again = annotation.was_read_later
        if not self.lessons.is_known(project_key(project), *revision, is_again=is_again):
            lessons = self.make_lessons(annotation, project, is_last_try=is_last_try)
            self.lessons.teach(
                project_key(project), *revision, lessons, queued_as=queued.id,
                is_again=is_again, more_follow=is_again and self.queue.size() > 1,
            )  # fmt: skip
            self.counts.add(lessons=len(lessons))

    def forget_annotations(self, queued: QueuedEvent, _is_last_try: bool) -> None:
        ids = [str(one["id"]) for one in queued.event["annotations"]]
        self.lessons.delete(project_key(queued.event["project"]), annotations=ids)

    def forget_tasks(self, queued: QueuedEvent, _is_last_try: bool) -> None:
        project, ids = project_key(queued.event["project"]), queued.event["tasks"]
        self.lessons.delete(project, tasks=[str(one["id"]) for one in ids])
        if self.predicted_masks is not None:
            self.predicted_masks.delete(project, [one["id"] for one in ids])

    def train(self, queued: QueuedEvent, _is_last_try: bool) -> None:
        if self.is_learning:
            self._trainings.ask(project_key(queued.event["project"]), queued.id)

    def ignore(self, _queued: QueuedEvent, _is_last_try: bool) -> None:
        """For PROJECT_UPDATED and other events without masks."""

    def _set_aside(
        self, queued: QueuedEvent, refused: list[tuple[Mapping[str, Any], str, Exception]]
    ) -> None:
        """Move these parts of the event (what Label Studio would send, its name, the reason)."""
        key = event_project(queued.event)
        self.queue.set_aside.move(
            queued.id,
            [
                RefusedPart(pack_event(event), key, what, str(error))
                for event, what, error in refused
            ],
        )
        for _, what, error in refused:
            self._report_failure(f"{what} is set aside", error, queued, set_aside=1)

    def _report_failure(
        self, what: str, error: Exception, queued: QueuedEvent, set_aside: int = 0
    ) -> None:
        code = error_code(error)
        expected = code != "internal"
        log.warning("%s: %s", what, error if expected else f"unexpected {error!r}")
        key = event_project(queued.event)
        self.failures.add(key, "learn", code, f"{what}: {error}" if expected else what)
        self.counts.add(failures=1, set_aside=set_aside)


HANDLERS: dict[str, Callable[[LearningWorker, QueuedEvent, bool], None]] = {
    "ANNOTATION_CREATED": LearningWorker.learn_event,
    "ANNOTATION_UPDATED": LearningWorker.learn_event,
    "ANNOTATIONS_CREATED": LearningWorker.learn_event,
    "ANNOTATIONS_DELETED": LearningWorker.forget_annotations,
    "TASKS_DELETED": LearningWorker.forget_tasks,
    "START_TRAINING": LearningWorker.train,
}

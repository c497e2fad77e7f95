"""The thread that processes queued webhook events: makes, deletes and publishes lessons.

An event is acknowledged after its lessons are stored, so the event of a killed worker is delivered
again; every step is idempotent. An event that cannot be processed is dropped with a warning: at
once if it is invalid, at its third delivery if the reason may be temporary.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.errors import FirstpassError, RequestError, StoreError
from backend.label_studio.webhook_events import (
    Annotation,
    describe_annotation,
    project_key,
    raw_annotations,
    read_annotation,
)
from backend.learning.event_queue import EventQueue, QueuedEvent
from backend.learning.lesson_maker import LessonMaker
from backend.memory.lesson_store import LessonStore
from backend.memory.predicted_masks import PredictedMasks
from backend.metrics import Counts
from model import ModelError

MAX_DELIVERIES = 3  # at the third an event is dropped: it failed, or crashed its worker, twice

log = logging.getLogger(__name__)


def new_counts() -> Counts:
    return Counts(
        "lessons",  # stored, one for each control and page of an annotation
        "events",  # processed without an error
        "failures",  # errors, one for each attempt
        "set_aside",  # events, or annotations of one, that are not tried again
    )


@dataclass
class LearningWorker:
    make_lessons: LessonMaker
    queue: EventQueue
    lessons: LessonStore
    predicted_masks: PredictedMasks | None = None
    is_learning: bool = True  # False: only deletions are processed
    poll_s: float = 1.0  # between reads of the queue, which other workers fill as well
    counts: Counts = field(default_factory=new_counts)

    def __post_init__(self) -> None:
        self._store_failures: dict[str, int] = {}  # event id -> deliveries while the store was down
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="learner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Read the queue now, without waiting for `poll_s`."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the current event, then end the thread."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

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
        if queued is None:
            return False
        action = str(queued.event.get("action"))
        what = f"{action} of {describe_event(queued.event)}"
        try:
            if self._tries(queued) >= MAX_DELIVERIES:
                raise RequestError(
                    f"It failed {queued.deliveries - 1} times, for the reasons in the log. When "
                    "they are gone, press Update on the annotation to have it learned."
                )
            HANDLERS.get(action, LearningWorker.ignore)(self, queued)
        except StoreError as error:
            self._store_failures[queued.id] = self._store_failures.get(queued.id, 0) + 1
            self._report_failure(f"{what} waits", error)
        except (RequestError, ModelError) as error:
            self._report_failure(f"{what} is set aside", error, set_aside=1)
            self._finish(queued)
        except FirstpassError as error:
            self._report_failure(f"{what} comes again", error)
        except Exception as error:
            log.error("%s: unexpected error", what, exc_info=error)
            self._report_failure(f"{what} comes again", error)
        else:
            self._finish(queued)
            self.counts.add(events=1)
        return True

    def learn_event(self, queued: QueuedEvent) -> None:
        """Store lessons of each annotation of the event; one invalid annotation stops no other.

        A temporary error is raised after all of them were tried, so that the event comes again.
        """
        if not self.is_learning:
            return
        transient_error: FirstpassError | None = None
        for raw in raw_annotations(queued.event):
            try:
                self.learn_annotation(read_annotation(raw, queued.event), queued)
            except (RequestError, ModelError) as error:
                what = describe_annotation(raw, queued.event)
                self._report_failure(f"{what} is set aside", error, set_aside=1)
            except FirstpassError as error:
                transient_error = error
        if transient_error is not None:
            raise transient_error

    def learn_annotation(self, annotation: Annotation, queued: QueuedEvent) -> None:
        project = queued.event["project"]
        revision = (annotation.id, annotation.task_id, annotation.updated_us)
        if annotation.was_cancelled:
            self.lessons.cancel(project_key(project), *revision)
        elif not self.lessons.is_known(project_key(project), *revision):
            is_last_try = self._tries(queued) >= MAX_DELIVERIES - 1
            lessons = self.make_lessons(annotation, project, is_last_try=is_last_try)
            self.lessons.teach(project_key(project), *revision, lessons, queued_as=queued.id)
            self.counts.add(lessons=len(lessons))

    def forget_annotations(self, queued: QueuedEvent) -> None:
        ids = [str(one["id"]) for one in queued.event["annotations"]]
        self.lessons.delete(project_key(queued.event["project"]), annotations=ids)

    def forget_tasks(self, queued: QueuedEvent) -> None:
        project, ids = project_key(queued.event["project"]), queued.event["tasks"]
        self.lessons.delete(project, tasks=[str(one["id"]) for one in ids])
        if self.predicted_masks is not None:
            self.predicted_masks.delete(project, [one["id"] for one in ids])

    def train(self, queued: QueuedEvent) -> None:
        if self.is_learning:
            self.lessons.train(project_key(queued.event["project"]), queued_as=queued.id)

    def ignore(self, _queued: QueuedEvent) -> None:
        """For PROJECT_UPDATED and other events without masks."""

    def _tries(self, queued: QueuedEvent) -> int:
        """Deliveries so far, this one included, but for those that the store failed."""
        return queued.deliveries - self._store_failures.get(queued.id, 0)

    def _finish(self, queued: QueuedEvent) -> None:
        self.queue.acknowledge([queued.id])
        self._store_failures.pop(queued.id, None)

    def _report_failure(self, what: str, error: Exception, set_aside: int = 0) -> None:
        expected = isinstance(error, FirstpassError | ModelError)
        log.warning("%s: %s", what, error if expected else f"unexpected {error!r}")
        self.counts.add(failures=1, set_aside=set_aside)


HANDLERS: dict[str, Callable[[LearningWorker, QueuedEvent], None]] = {
    "ANNOTATION_CREATED": LearningWorker.learn_event,
    "ANNOTATION_UPDATED": LearningWorker.learn_event,
    "ANNOTATIONS_CREATED": LearningWorker.learn_event,
    "ANNOTATIONS_DELETED": LearningWorker.forget_annotations,
    "TASKS_DELETED": LearningWorker.forget_tasks,
    "START_TRAINING": LearningWorker.train,
}


def describe_event(event: Mapping[str, Any]) -> str:
    """Project, annotations and tasks of an event, for the log: "project 1, annotation 7"."""
    project = event.get("project")
    parts = [f"project {project.get('id') if isinstance(project, Mapping) else '?'}"]
    for key in ("annotation", "annotations", "tasks"):
        items = event.get(key)
        ids = [i.get("id") for i in (items if isinstance(items, list) else [items]) if i]
        if ids:
            parts.append(f"{key} {', '.join(map(str, ids[:5]))}{' …' if len(ids) > 5 else ''}")
    return ", ".join(parts)

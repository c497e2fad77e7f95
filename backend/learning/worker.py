"""Works off what people correct: one thread of each worker, one event at a time.

An event is done when what it says is in the store, so one whose worker was killed comes again; all
that is done here may be done twice. One that cannot be learnt from is set aside with a line in the
log: at once when it is damaged, and at its third coming when the reason may pass.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backend.errors import FirstpassError, RequestError, StoreError
from backend.label_studio.controls import Control, image_uris, labels_for, read_controls
from backend.label_studio.webhook_events import Annotation, annotations_of, project_key
from backend.learning.annotation_masks import taught_masks
from backend.learning.event_queue import CorrectionQueue, QueuedEvent
from backend.memory.active_version import Learnt
from backend.memory.lesson_store import MemoryStore, NewLesson
from backend.memory.shown_predictions import ShownMasks
from backend.prediction.annotator import Annotator
from backend.prediction.label_vocabulary import vocabulary_of
from backend.prediction.predict_request import Question
from backend.prediction.project_registry import Projects
from model import ModelError

MAX_DELIVERIES = 3  # at this one an event is set aside: it failed, or took its worker down, twice

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LearnCounters:
    """Since the start of this process."""

    lessons: int = 0  # of annotations, one for each control and page
    events: int = 0  # done
    failures: int = 0  # tries that failed
    set_aside: int = 0


@dataclass
class Learner:
    annotator: Annotator
    queue: CorrectionQueue
    memory: MemoryStore
    projects: Projects
    shown: ShownMasks | None = None
    is_learning: bool = True  # False: only deletions are worked off
    image_budget_s: float = 90.0  # for the model to reach an image
    poll_s: float = 1.0  # between looks at the queue, which other workers fill too
    counters: LearnCounters = field(default_factory=LearnCounters)

    def __post_init__(self) -> None:
        self._excused: dict[str, int] = {}  # deliveries that failed for want of the store
        self._wake, self._is_over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="learner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something in the queue: look now."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the event at hand, and no more."""
        self._is_over.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._wake.clear()
            try:
                while not self._is_over.is_set() and self.work_off_one():
                    pass
            except Exception:
                log.exception("learning from corrections failed; it goes on")
            self._wake.wait(self.poll_s)

    def work_off_one(self) -> bool:
        """Whether there was an event. What it says is in the store when this returns."""
        queued = next(iter(self.queue.take(1)), None)
        if queued is None:
            return False
        action = queued.event.get("action")
        try:
            if queued.deliveries - self._excused.get(queued.id, 0) >= MAX_DELIVERIES:
                raise RequestError(
                    f"It failed {queued.deliveries - 1} times, for the reasons in the log. When "
                    "they are gone, press Update on the annotation to have it learnt."
                )
            ACTIONS.get(str(action), Learner.pass_over)(self, queued)
        except StoreError as error:
            self._excused[queued.id] = self._excused.get(queued.id, 0) + 1
            self._fail(f"{action} of {about(queued.event)} waits", error)
        except (RequestError, ModelError) as error:
            self._fail(f"{action} of {about(queued.event)} is set aside", error, set_aside=1)
            self._finish(queued)
        except FirstpassError as error:
            self._fail(f"{action} of {about(queued.event)} comes again", error)
        except Exception as error:
            log.error("%s of %s: unexpected error", action, about(queued.event), exc_info=error)
            self._fail(f"{action} of {about(queued.event)} comes again", error)
        else:
            self._finish(queued)
            self._count(events=1)
        return True

    def learn(self, queued: QueuedEvent) -> None:
        """From each annotation of the event, unless something newer is known of it."""
        if not self.is_learning:
            return
        passing: FirstpassError | None = None
        for annotation in annotations_of(queued.event):
            try:
                self.learn_one(annotation, queued)
            except (RequestError, ModelError) as error:
                what = f"annotation {annotation.id} of task {annotation.task_id}"
                self._fail(f"{what} is set aside", error, set_aside=1)
            except FirstpassError as error:
                passing = error
        if passing is not None:
            raise passing

    def learn_one(self, annotation: Annotation, queued: QueuedEvent) -> None:
        project = queued.event["project"]
        about_it = (annotation.id, annotation.task_id, annotation.updated_us)
        if annotation.was_cancelled:
            self.memory.cancel(project_key(project), *about_it)
        elif not self.memory.is_known(project_key(project), *about_it):
            lessons = self.lessons_of(annotation, project)
            self.memory.teach(project_key(project), *about_it, lessons, queued_as=queued.id)
            self._count(lessons=len(lessons))

    def lessons_of(self, annotation: Annotation, project: Mapping[str, Any]) -> list[NewLesson]:
        """One for each control and page that the annotation says something about."""
        question = self.question_of(project)
        found = []
        for control in question.controls:
            for page, uri in enumerate(image_uris(control, annotation.task_data)):
                lesson = self.lesson_of(annotation, control, page, uri, question)
                found += [lesson] if lesson else []
        return found

    def lesson_of(
        self, annotation: Annotation, control: Control, page: int, uri: str, question: Question
    ) -> NewLesson | None:
        labels = labels_for(control, annotation.task_data)
        task_id = int(annotation.task_id) if annotation.task_id.isdigit() else annotation.task_id
        opened = self.annotator.open_page(uri, task_id, question)
        shown = None
        if self.shown is not None:
            shown = self.shown.recall(question.project_id, task_id, control.from_name, page)
        image_hw = opened.features.image_hw
        taught = taught_masks(annotation, control, labels, page, image_hw, shown)
        if taught is None:
            return None
        with self.annotator.metrics.stage("learn"):
            lesson = self.annotator.segmenter.learn(
                opened.features, taught,
                vocabulary_of(labels, question.project), question.settings.resolve(),
            )  # fmt: skip
        return NewLesson(control.from_name, page, lesson)

    def question_of(self, project: Mapping[str, Any]) -> Question:
        key = project_key(project)
        settings = self.projects.recall(key)
        login, password = project.get("task_data_login"), project.get("task_data_password")
        return Question(
            controls=read_controls(str(project.get("label_config") or "")),
            project=settings,
            project_id=key,
            settings=settings.segment_settings(self.annotator.default),
            learnt=Learnt(),
            prompts=(),
            auth=(str(login), str(password or "")) if login else None,
            deadline=time.monotonic() + self.image_budget_s,
        )

    def forget_annotations(self, queued: QueuedEvent) -> None:
        ids = [str(one["id"]) for one in queued.event["annotations"]]
        self.memory.delete(project_key(queued.event["project"]), annotations=ids)

    def forget_tasks(self, queued: QueuedEvent) -> None:
        project, ids = project_key(queued.event["project"]), queued.event["tasks"]
        self.memory.delete(project, tasks=[str(one["id"]) for one in ids])
        if self.shown is not None:
            self.shown.forget(project, [one["id"] for one in ids])

    def train(self, queued: QueuedEvent) -> None:
        if self.is_learning:
            self.memory.train(project_key(queued.event["project"]), queued_as=queued.id)

    def pass_over(self, _queued: QueuedEvent) -> None:
        """PROJECT_UPDATED and what else says nothing of masks."""

    def _finish(self, queued: QueuedEvent) -> None:
        self.queue.done([queued.id])
        self._excused.pop(queued.id, None)

    def _fail(self, what: str, error: Exception, set_aside: int = 0) -> None:
        expected = isinstance(error, FirstpassError | ModelError)
        log.warning("%s: %s", what, error if expected else f"unexpected {error!r}")
        self._count(failures=1, set_aside=set_aside)

    def _count(self, **more: int) -> None:
        now = {name: getattr(self.counters, name) + number for name, number in more.items()}
        self.counters = replace(self.counters, **now)


ACTIONS: dict[str, Callable[[Learner, QueuedEvent], None]] = {
    "ANNOTATION_CREATED": Learner.learn,
    "ANNOTATION_UPDATED": Learner.learn,
    "ANNOTATIONS_CREATED": Learner.learn,
    "ANNOTATIONS_DELETED": Learner.forget_annotations,
    "TASKS_DELETED": Learner.forget_tasks,
    "START_TRAINING": Learner.train,
}


def about(event: Mapping[str, Any]) -> str:
    """Which annotations and tasks an event is about, for the log."""
    project = event.get("project")
    parts = [f"project {project.get('id') if isinstance(project, Mapping) else '?'}"]
    for key in ("annotation", "annotations", "tasks"):
        items = event.get(key)
        ids = [i.get("id") for i in (items if isinstance(items, list) else [items]) if i]
        if ids:
            parts.append(f"{key} {', '.join(map(str, ids[:5]))}{' …' if len(ids) > 5 else ''}")
    return ", ".join(parts)

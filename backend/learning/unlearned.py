"""Which annotations of a project are left to learn, of all that Label Studio has."""

import contextlib
import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from backend.errors import RequestError
from backend.label_studio.later_events import is_bulk, later_event
from backend.label_studio.webhook_events import (
    Annotation,
    event_project,
    is_handled,
    raw_annotations,
    read_annotation,
)
from backend.learning.event_queue import EventQueue
from backend.learning.packed_event import pack_event
from backend.memory.annotation_lessons import AnnotationLessons
from backend.memory.lesson_store import LessonStore

PAGE_ANNOTATIONS = 50  # whose lessons are read at once: some megabytes
# Why annotations are left out.
LEARNED, WAITING = "learned already", "in the queue already"
SKIPPED, FORGOTTEN = "skipped by who annotated", "forgotten by `memory forget`"
TOO_MANY = "older than the newest that a project keeps"
NO_ROOM = "without room in the queue: run this again once it is worked off"


@dataclass(frozen=True)
class Learned:
    """What a project has learned, and what waits to be learned."""

    annotations: Mapping[str, AnnotationLessons]  # by id
    outdated: frozenset[str]  # ids of those whose lessons would be others now, or are damaged
    waiting: frozenset[tuple[str, int]]  # id and updated_us of what an event in the queue teaches

    @staticmethod
    def of(lessons: LessonStore, events: EventQueue, project: str, space: str) -> "Learned":
        """`space`: the feature space of the project's predictions. Raises StoreError."""
        found = lessons.index(project).annotations
        ids, outdated = list(found), set()
        for start in range(0, len(ids), PAGE_ANNOTATIONS):
            page = {id: found[id].lessons for id in ids[start : start + PAGE_ANNOTATIONS]}
            refs = [ref for of_one in page.values() for ref in of_one if ref.space == space]
            current = lessons.current(project, refs)
            outdated |= {
                id
                for id, of_one in page.items()
                if any(ref.space != space or ref.digest not in current for ref in of_one)
            }
        waiting = {
            (one.id, one.updated_us)
            for one in waiting_annotations(events, project)
            # As Label Studio sent it, an update that is known is not learned again.
            if one.was_read_later or not is_learned(found.get(one.id), one)
        }
        return Learned(found, frozenset(outdated), frozenset(waiting))


class Candidate(NamedTuple):
    """An annotation to learn; the newest is the greatest."""

    updated_us: int
    annotation: str
    value: bytes  # its event as the queue has it
    is_bulk: bool


@dataclass
class Unlearned:
    """Takes the project's tasks one by one, and keeps the newest annotations left to learn."""

    lessons: LessonStore
    project: str  # its name in /setup
    described: Mapping[str, Any]  # the project of the events
    learned: Learned
    max_bytes: int  # of the events, as the queue has them
    left_out: Counter[str] = field(default_factory=Counter)  # why -> annotations
    unreadable: list[str] = field(default_factory=list)  # a sentence for each
    _kept: list[Candidate] = field(default_factory=list)  # a heap, the oldest first
    _n_bytes: int = 0
    _seen: set[str] = field(default_factory=set)

    def add_task(self, task: Mapping[str, Any]) -> None:
        """`task`: with its annotations, as the API lists it."""
        annotations = [one for one in task.get("annotations") or [] if isinstance(one, Mapping)]
        for raw in annotations:
            try:
                self._add(later_event(self.described, task, raw), raw)
            except RequestError as error:
                self.unreadable.append(f"task {task.get('id')}: {error}")

    def chosen(self) -> list[Candidate]:
        """Those to learn, the newest first; the store would drop the others at once."""
        limits, found = self.lessons.limits, {one.annotation: one for one in self._kept}
        stored = {
            id: sum(ref.n_bytes for ref in one.lessons)
            for id, one in self.learned.annotations.items()
            if one.lessons
        }
        expected_bytes = sum(stored.values()) // max(len(stored), 1)  # of a lesson to come
        rows = [(self.learned.annotations[id].updated_us, id, n) for id, n in stored.items()]
        rows = [row for row in rows if row[1] not in found]
        rows += [(one.updated_us, id, stored.get(id, expected_bytes)) for id, one in found.items()]
        chosen, n_bytes = [], 0
        for number, (_, id, n) in enumerate(sorted(rows, reverse=True), 1):
            n_bytes += n
            if number > limits.max_annotations or n_bytes > limits.max_bytes:
                break
            chosen += [found[id]] if id in found else []
        self.left_out[TOO_MANY] += len(found) - len(chosen)
        self._kept = sorted(chosen)
        return chosen

    def _add(self, event: Mapping[str, Any], raw: Mapping[str, Any]) -> None:
        """Raises RequestError for what is no annotation of a task."""
        is_handled(event)
        (sent,) = raw_annotations(event)
        annotation = read_annotation(sent, event)
        if annotation.id in self._seen:  # the list moved on while it was read
            return
        self._seen.add(annotation.id)
        if why := self._why_left_out(annotation):
            self.left_out[why] += 1
            return
        one = Candidate(annotation.updated_us, annotation.id, pack_event(event), is_bulk(raw))
        heapq.heappush(self._kept, one)
        self._n_bytes += len(one.value)
        while len(self._kept) > self.lessons.limits.max_annotations:
            self._drop_oldest(TOO_MANY)
        while self._n_bytes > self.max_bytes:
            self._drop_oldest(NO_ROOM)

    def _why_left_out(self, one: Annotation) -> str:
        """The reason, or "" for one that is to be learned."""
        if one.was_cancelled:
            return SKIPPED
        if is_learned(self.learned.annotations.get(one.id), one) and (
            one.id not in self.learned.outdated
        ):
            return LEARNED
        if (one.id, one.updated_us) in self.learned.waiting:
            return WAITING
        if self.lessons.is_known(
            self.project, one.id, one.task_id, one.updated_us, is_again=True
        ):  # its deletion, that is
            return FORGOTTEN
        return ""

    def _drop_oldest(self, why: str) -> None:
        self._n_bytes -= len(heapq.heappop(self._kept).value)
        self.left_out[why] += 1


def is_learned(known: AnnotationLessons | None, one: Annotation) -> bool:
    return known is not None and known.updated_us >= one.updated_us


def waiting_annotations(events: EventQueue, project: str) -> list[Annotation]:
    """The annotations of a project in the queue. Raises StoreError."""
    found = []
    for event in events.backlog.waiting():
        with contextlib.suppress(RequestError):  # the worker sets it aside
            if is_handled(event) and "annotation" in event and event_project(event) == project:
                found += [read_annotation(raw, event) for raw in raw_annotations(event)]
    return found

"""Index of a project's lessons: which annotation has which, and which versions contain them.

Pure data with a JSON form; `lesson_store` keeps it in Redis. Every change is idempotent, and events
may arrive in any order: the newest update of an annotation wins, and deletions are final.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

import orjson
from pydantic import BaseModel, TypeAdapter

from backend.memory.agreement import Agreement

FORMAT = 1


@dataclass(frozen=True)
class LessonRef:
    """One lesson of an annotation, for one control and one page of the task."""

    control: str  # its name in the config
    page: int
    digest: str  # of the lesson's bytes, which are stored under it
    space: str  # of the features that the lesson was made of
    labels: tuple[str, ...]
    n_bytes: int


@dataclass(frozen=True)
class AnnotationLessons:
    """The lessons of an annotation as of its newest known update."""

    updated_us: int  # Label Studio's updated_at, microseconds since 1970
    task: str  # id
    lessons: tuple[LessonRef, ...]
    agreement: Agreement | None = None  # with what was shown; None: unknown


@dataclass(frozen=True)
class Version:
    """A frozen set of lessons that predictions can use. Only deletions change it."""

    number: int
    made_s: float
    annotations: dict[str, AnnotationLessons] = field(compare=False)

    @property
    def refs(self) -> list[LessonRef]:
        return [ref for taught in self.annotations.values() for ref in taught.lessons]

    @property
    def name(self) -> str:
        """`"3-1a2b3c"`: the number and a digest of the lessons, which a deletion changes."""
        digests = sorted(ref.digest for ref in self.refs)
        content = hashlib.blake2b("".join(digests).encode(), digest_size=3).hexdigest()
        return f"{self.number}-{content}"

    @property
    def spaces(self) -> set[str]:
        return {ref.space for ref in self.refs}


@dataclass(frozen=True)
class Limits:
    max_annotations: int = 500  # with lessons; the least recently updated are dropped
    max_bytes: int = 80 * 2**20  # of these lessons
    max_versions: int = 10  # the newest
    max_deleted: int = 10_000  # ids of deleted annotations that are remembered; tasks likewise


@dataclass
class LessonIndex:
    annotations: dict[str, AnnotationLessons] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)  # oldest first
    deleted: dict[str, float] = field(default_factory=dict)  # annotation -> time, s since 1970
    deleted_tasks: dict[str, float] = field(default_factory=dict)
    changes: int = 0  # annotations changed since the newest version
    trained: str = ""  # stream id of the newest START_TRAINING
    # Until when, s since 1970, the version that it asks for waits for annotations; 0: it is made.
    training_due_s: float = 0.0
    last_number: int = 0

    def teach(
        self, annotation: str, taught: AnnotationLessons, *, queued_as: str, now_s: float
    ) -> bool:
        """Set the lessons of an annotation; False if a newer update or a deletion is known.

        Also makes the version that an earlier START_TRAINING waits with, and one if a
        START_TRAINING came after this event in the queue but was processed before it.
        `queued_as`: the event's stream id.
        """
        if self.is_known(annotation, taught.task, taught.updated_us):
            return False
        known = self.annotations.get(annotation)
        self.annotations[annotation] = self._with_fair_agreement(taught, known)
        self.changes += known is None or known.lessons != taught.lessons
        is_earlier = stream_id_sort_key(queued_as) < stream_id_sort_key(self.trained)
        # An earlier one is in the version that is waited with, whenever that is made.
        if self.trained and is_earlier != bool(self.training_due_s):
            self.publish(now_s)
        return True

    def ask_version(self, queued_as: str, due_s: float) -> None:
        """Have the next annotation that comes, or `finish_training` after `due_s`, make a version.

        Label Studio sends START_TRAINING before the annotation whose submission caused it.
        """
        self.trained, self.training_due_s = queued_as, due_s

    def finish_training(self, now_s: float) -> bool:
        """Make the version that was asked for, unless that is done; whether one was made."""
        return bool(self.training_due_s) and self.publish(now_s)

    def is_known(self, annotation: str, task: str, updated_us: int) -> bool:
        """Whether `teach` would change nothing: this update is old, or its target was deleted."""
        known = self.annotations.get(annotation)
        is_old = known is not None and known.updated_us >= updated_us
        return is_old or annotation in self.deleted or task in self.deleted_tasks

    def cancel(self, annotation: str, taught: AnnotationLessons) -> bool:
        """Drop the lessons of an annotation that was skipped; a later update can set them again."""
        if self.is_known(annotation, taught.task, taught.updated_us):
            return False
        changed = self._remove_annotations({annotation})
        self.annotations[annotation] = replace(taught, lessons=())
        return changed

    def delete(self, annotations: Iterable[str], now_s: float) -> bool:
        """Remove annotations for good, also from the versions; whether they had lessons."""
        deleted = dict.fromkeys(annotations, now_s)
        self.deleted |= deleted
        return self._remove_annotations(set(deleted))

    def delete_tasks(self, tasks: Iterable[str], now_s: float) -> bool:
        """Remove all annotations of these tasks for good; whether they had lessons."""
        deleted = dict.fromkeys(tasks, now_s)
        self.deleted_tasks |= deleted
        everywhere = [self.annotations, *(version.annotations for version in self.versions)]
        return self._remove_annotations(
            {key for found in everywhere for key, taught in found.items() if taught.task in deleted}
        )

    def publish(self, now_s: float) -> bool:
        """Make a version of all present lessons; False if the newest version equals it."""
        self.changes, self.training_due_s = 0, 0.0
        teaching = {
            key: replace(taught, agreement=None)
            for key, taught in self.annotations.items()
            if taught.lessons
        }
        newest = self.versions[-1].annotations if self.versions else {}
        if {key: taught.lessons for key, taught in teaching.items()} == {
            key: taught.lessons for key, taught in newest.items()
        }:
            return False
        self.last_number += 1
        self.versions.append(Version(self.last_number, now_s, teaching))
        return True

    def trim(self, limits: Limits) -> None:
        """Apply the limits to annotations, versions and deletions; kept versions stay whole."""
        oldest_first = sorted(self.annotations, key=lambda one: self.annotations[one].updated_us)
        without_lessons = [one for one in oldest_first if not self.annotations[one].lessons]
        for one in without_lessons[: -limits.max_annotations]:
            del self.annotations[one]
        teaching = [
            one for one in oldest_first if one in self.annotations and one not in without_lessons
        ]
        n_bytes = sum(ref.n_bytes for one in teaching for ref in self.annotations[one].lessons)
        for n_left, one in zip(range(len(teaching), 0, -1), teaching, strict=True):
            if n_left <= limits.max_annotations and n_bytes <= limits.max_bytes:
                break
            n_bytes -= sum(ref.n_bytes for ref in self.annotations.pop(one).lessons)
        del self.versions[: -limits.max_versions]
        for deleted in (self.deleted, self.deleted_tasks):
            for key in sorted(deleted, key=deleted.__getitem__)[: -limits.max_deleted or None]:
                del deleted[key]

    def version(self, name: str | None = None) -> Version | None:
        """The newest version, or that of a number "3" or name "3-1a2b3c"; None if not kept."""
        if name is None:
            return self.versions[-1] if self.versions else None
        number = name.split("-")[0]
        return next((one for one in self.versions if str(one.number) == number), None)

    def digests(self) -> set[str]:
        """Digests of all lessons that an annotation or a version refers to."""
        everywhere = [self.annotations, *(version.annotations for version in self.versions)]
        return {
            ref.digest
            for found in everywhere
            for taught in found.values()
            for ref in taught.lessons
        }

    def counts(self) -> dict[str, int]:
        """Number of annotations with lessons for each label."""
        found: dict[str, int] = {}
        for taught in self.annotations.values():
            for label in {label for ref in taught.lessons for label in ref.labels}:
                found[label] = found.get(label, 0) + 1
        return found

    def _with_fair_agreement(
        self, taught: AnnotationLessons, known: AnnotationLessons | None
    ) -> AnnotationLessons:
        """With the agreement of the annotation's earlier update where the new one proves nothing:
        what was shown had learned from this task, as after an update of a learned annotation."""
        if taught.agreement is not None:
            name = taught.agreement.shown_by.lessons_version
            version = self.version(name)
            learned = version.annotations if version else self.annotations
            if not name or taught.task not in {one.task for one in learned.values()}:
                return taught
        return replace(taught, agreement=known.agreement if known else None)

    def _remove_annotations(self, deleted: set[str]) -> bool:
        changed = False
        for found in (self.annotations, *(version.annotations for version in self.versions)):
            for annotation in deleted & found.keys():
                changed |= bool(found.pop(annotation).lessons)
        return changed

    def to_json(self) -> bytes:
        return orjson.dumps({"format": FORMAT, "index": self})

    @staticmethod
    def from_json(data: bytes | str | None) -> "LessonIndex":
        """An empty index for None. Raises ValueError for other data."""
        return LessonIndex() if data is None else StoredIndex.model_validate_json(data).index


class StoredIndex(BaseModel):
    format: Literal[1]
    index: LessonIndex


LESSONS_BY_ANNOTATION = TypeAdapter(dict[str, AnnotationLessons])


def stream_id_sort_key(entry_id: str) -> tuple[int, int]:
    """Sort key of a Redis stream id, "milliseconds-count"; (0, 0) for other text."""
    found = re.fullmatch(r"(\d+)-(\d+)", entry_id)
    return (int(found[1]), int(found[2])) if found else (0, 0)

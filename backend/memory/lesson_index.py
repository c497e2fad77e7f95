"""Index of a project's lessons: which annotation has which, and which versions contain them.

Every change is idempotent, and events may arrive in any order: the newest update of an annotation
wins, and deletions are final. A change reads and writes the rows that it is about, however many
annotations the project has: a version is no copy, but each row says which versions hold it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from backend.memory.annotation_lessons import AnnotationLessons, Row
from backend.memory.lesson_rows import LessonRows
from backend.memory.project_head import ProjectHead, VersionHead, recount
from backend.memory.tables import ProjectTables, past_name

FAR_OVER = 10  # annotations


@dataclass(frozen=True)
class Limits:
    max_annotations: int = 500  # with lessons; the least recently updated are dropped
    max_bytes: int = 80 * 2**20  # of these lessons
    max_versions: int = 10  # the newest
    max_deleted: int = 10_000  # ids of deleted annotations that are remembered; tasks likewise


@dataclass
class LessonIndex:
    """Changes a project's head and tables; who made it writes them."""

    rows: LessonRows

    @property
    def head(self) -> ProjectHead:
        return self.rows.head

    @property
    def tables(self) -> ProjectTables:
        return self.rows.tables

    def teach(
        self,
        annotation: str,
        taught: AnnotationLessons,
        *,
        queued_as: str,
        now_s: float,
        is_again: bool = False,
    ) -> bool:
        """Set the lessons of an annotation; False if `is_known`.

        Also makes the version that an earlier START_TRAINING waits with, and one if a
        START_TRAINING came after this event in the queue but was processed before it.
        `queued_as`: the event's stream id.
        """
        if self.is_known(annotation, taught.task, taught.updated_us, is_again=is_again):
            return False
        self.set_lessons(annotation, taught)
        is_earlier = stream_id_sort_key(queued_as) < stream_id_sort_key(self.head.trained)
        # An earlier one is in the version that is waited with, whenever that is made.
        if self.head.trained and is_earlier != bool(self.head.training_due_s):
            self.publish(now_s)
        return True

    def set_lessons(self, annotation: str, taught: AnnotationLessons) -> None:
        """Set the present lessons of an annotation, whatever is known of it."""
        known = self.tables.rows.get(annotation)
        taught = self._with_fair_agreement(taught, known)
        self.head.changes += known is None or known.taught.lessons != taught.lessons
        since = None
        if known is not None and known.taught.teaches_as(taught):
            since = known.since
            self.rows.take_out(annotation, known)
        elif known is not None:
            self.rows.end(annotation, known)
        self.rows.put(annotation, Row(taught, since))
        if since is None:
            self.tables.pending.set(annotation, b"")

    def ask_version(self, queued_as: str, due_s: float) -> None:
        """Have the next annotation that comes, or `finish_training` after `due_s`, make a version.

        Label Studio sends START_TRAINING before the annotation whose submission caused it.
        """
        self.head.trained, self.head.training_due_s = queued_as, due_s

    def finish_training(self, now_s: float) -> bool:
        """Make the version that was asked for, unless that is done; whether one was made."""
        return bool(self.head.training_due_s) and self.publish(now_s)

    def is_known(
        self, annotation: str, task: str, updated_us: int, *, is_again: bool = False
    ) -> bool:
        """Whether `teach` would change nothing: this update is old, or its target was deleted.

        `is_again`: an update that is known is learned once more; only a newer one makes it old.
        """
        known = self.tables.rows.get(annotation)
        is_old = known is not None and known.taught.updated_us >= updated_us + is_again
        deleted, deleted_tasks = self.tables.deleted, self.tables.deleted_tasks
        return is_old or deleted.score(annotation) is not None or (
            deleted_tasks.score(task) is not None
        )  # fmt: skip

    def cancel(self, annotation: str, taught: AnnotationLessons) -> bool:
        """Drop the lessons of an annotation that was skipped; a later update can set them again."""
        if self.is_known(annotation, taught.task, taught.updated_us):
            return False
        changed = self.rows.erase(annotation)
        self.rows.put(annotation, Row(replace(taught, lessons=())))
        return changed

    def delete(self, annotations: Iterable[str], now_s: float) -> bool:
        """Remove annotations for good, also from the versions; whether they had lessons."""
        changed = False
        for annotation in annotations:
            self.tables.deleted.set(annotation, now_s)
            changed |= self.rows.erase(annotation)
        return changed

    def delete_tasks(self, tasks: Iterable[str], now_s: float) -> bool:
        """Remove all annotations of these tasks for good; whether they had lessons."""
        changed = False
        for task in tasks:
            self.tables.deleted_tasks.set(task, now_s)
            for annotation in self.rows.of_task(task):
                changed |= self.rows.erase(annotation)
        return changed

    def publish(self, now_s: float) -> bool:
        """Make a version of all present lessons; False if the newest version equals it."""
        head, present = self.head, self.tables.rows
        head.changes, head.training_due_s = 0, 0.0
        number, is_new, begun = head.last_number + 1, False, {}
        for annotation in self.tables.pending.all():
            self.tables.pending.set(annotation, None)
            row = present.get(annotation)
            before = self.tables.past.get(past_name(annotation, number))
            if row is None or not row.taught.lessons or row.since is not None:
                is_new |= before is not None
            elif before is not None and before.taught.teaches_as(row.taught):
                self.rows.drop_past(past_name(annotation, number))
                present.set(annotation, replace(row, since=before.since))
            else:
                begun[annotation] = replace(row, since=number)
        if not (is_new or begun):
            return False
        for annotation, row in begun.items():
            present.set(annotation, row)
        head.last_number = number
        head.versions.append(VersionHead(number, now_s, head.present.copy()))
        return True

    def trim(self, limits: Limits) -> None:
        """Apply the limits to annotations, versions and deletions; kept versions stay whole."""
        head, tables = self.head, self.tables
        if (
            head.present.annotations > limits.max_annotations + FAR_OVER
            or head.present.n_bytes > 2 * limits.max_bytes
        ):  # by no one change: a damaged count must not cost lessons
            head.present = recount(tables.rows.all(), (), 0).present
        while (
            head.present.annotations > limits.max_annotations
            or head.present.n_bytes > limits.max_bytes
        ) and (oldest := tables.taught_us.lowest(1)):
            self.rows.end(oldest[0], tables.rows.get(oldest[0]))
        for annotation in tables.empty_us.lowest(tables.empty_us.count() - limits.max_annotations):
            self.rows.end(annotation, tables.rows.get(annotation))
        if len(head.versions) > limits.max_versions:
            del head.versions[: -limits.max_versions]
            for name in tables.past_until.up_to(head.versions[0].number):
                self.rows.drop_past(name)
        for deleted in (tables.deleted, tables.deleted_tasks):
            for member in deleted.lowest(deleted.count() - limits.max_deleted):
                deleted.set(member, None)

    def _with_fair_agreement(
        self, taught: AnnotationLessons, known: Row | None
    ) -> AnnotationLessons:
        """With the agreement of the annotation's earlier update where the new one proves nothing:
        what was shown had learned from this task, as after an update of a learned annotation."""
        if taught.agreement is not None:
            name = taught.agreement.shown_by.lessons_version
            if not name or not self._has_learned(taught.task, name):
                return taught
        return replace(taught, agreement=known.taught.agreement if known else None)

    def _has_learned(self, task: str, version_name: str) -> bool:
        """Whether the version has lessons of this task; one that is not kept, as what is known."""
        version = self.head.version(version_name)
        return any(
            version is None or row.is_in(version.number)
            for annotation in self.rows.of_task(task)
            for row in self.rows.all_of(annotation).values()
            if row.taught.task == task and (version is not None or row.until is None)
        )


def stream_id_sort_key(entry_id: str) -> tuple[int, int]:
    """Sort key of a Redis stream id, "milliseconds-count"; (0, 0) for other text."""
    found = re.fullmatch(r"(\d+)-(\d+)", entry_id)
    return (int(found[1]), int(found[2])) if found else (0, 0)

"""All of a project's lessons at one moment, for what needs them all: loading a version, exports."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.memory.annotation_lessons import AnnotationLessons, LessonRef, Row
from backend.memory.project_head import ProjectHead


@dataclass(frozen=True)
class Version:
    """A frozen set of lessons that predictions can use. Only deletions change it."""

    number: int
    made_s: float
    name: str  # `"3-1a2b3c"`: the number and a digest of the lessons
    annotations: Mapping[str, AnnotationLessons] = field(compare=False)

    @property
    def refs(self) -> list[LessonRef]:
        return [ref for taught in self.annotations.values() for ref in taught.lessons]


@dataclass(frozen=True)
class LessonSnapshot:
    annotations: Mapping[str, AnnotationLessons]  # the present ones, the oldest first
    versions: tuple[Version, ...]  # oldest first
    changes: int  # annotations changed since the newest version

    @staticmethod
    def of(head: ProjectHead, rows: Mapping[str, Row], past: Mapping[str, Row]) -> "LessonSnapshot":
        """`past`: by `past_name`."""
        every = [*rows.items(), *((name.partition(":")[2], row) for name, row in past.items())]
        every.sort(key=lambda one: (one[1].taught.updated_us, one[0]))
        versions = [
            Version(
                version.number,
                version.made_s,
                version.name,
                {key: row.taught for key, row in every if row.is_in(version.number)},
            )
            for version in head.versions
        ]
        present = {key: row.taught for key, row in every if row.until is None}
        return LessonSnapshot(present, tuple(versions), head.changes)

    def version(self, name: str | None = None) -> Version | None:
        """The newest version, or that of a number "3" or name "3-1a2b3c"; None if not kept."""
        if name is None:
            return self.versions[-1] if self.versions else None
        number = name.split("-")[0]
        return next((one for one in self.versions if str(one.number) == number), None)

    def counts(self) -> dict[str, int]:
        """Number of annotations with lessons for each label."""
        found: dict[str, int] = {}
        for taught in self.annotations.values():
            for label in {label for ref in taught.lessons for label in ref.labels}:
                found[label] = found.get(label, 0) + 1
        return found

"""Summary of a project's lesson index, small enough to be read in each request."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import orjson
from pydantic import TypeAdapter

from backend.memory.agreement import VersionAgreement, by_version
from backend.memory.lesson_index import LessonIndex

NEWEST, NONE = "newest", "none"  # values of `memory_version` beside a version's number


@dataclass(frozen=True)
class ProjectSummary:
    versions: tuple[tuple[str, tuple[str, ...]], ...] = ()  # name, feature spaces; oldest first
    changes: int = 0  # changed annotations since the newest version
    annotations: int = 0  # with lessons
    spaces: Mapping[str, int] = field(default_factory=dict)  # feature space -> annotations
    agreement: tuple[VersionAgreement, ...] = ()  # with each version that was shown, newest first

    def select_version(self, pinned: str) -> tuple[str, tuple[str, ...]]:
        """Name and feature spaces of the pinned version; of the newest if that one is not kept.

        ("", ()) if there is no version, or `pinned` is "none".
        """
        if pinned == NONE or not self.versions:
            return "", ()
        by_number = {name.split("-")[0]: (name, spaces) for name, spaces in self.versions}
        return by_number.get(pinned.split("-")[0], self.versions[-1])

    def unused_warning(self, pinned: str, space: str) -> str | None:
        """Why lessons are not used as the user may expect, as one sentence; None if they are."""
        name, _ = self.select_version(pinned)
        if pinned not in (NEWEST, NONE) and name.split("-")[0] != pinned.split("-")[0]:
            kept = ", ".join(name for name, _ in self.versions) or "none"
            return (
                f"memory_version {pinned} is not kept (kept: {kept}): the newest is used. "
                'Set extra_params {"memory_version": "newest"}, or one that is kept.'
            )
        foreign = sum(count for other, count in self.spaces.items() if other != space)
        if foreign and pinned != NONE:
            return (
                f"{foreign} of {self.annotations} corrections were learned with another checkpoint "
                "or method, and are not used now. They count again when that is set again; "
                "pressing Update on their annotations teaches them anew."
            )
        return None

    def to_json(self) -> bytes:
        return orjson.dumps(self)

    @staticmethod
    def from_json(data: bytes) -> "ProjectSummary":
        """Raises ValueError for other data, also where only some of the fields are there."""
        found = orjson.loads(data)
        if not isinstance(found, dict) or found.keys() != SUMMARY_FIELDS:
            raise ValueError("these are not the fields of a summary")
        return SUMMARY_JSON.validate_python(found)


SUMMARY_JSON = TypeAdapter(ProjectSummary)
SUMMARY_FIELDS = {each.name for each in fields(ProjectSummary)}


def summarize(index: LessonIndex) -> ProjectSummary:
    spaces: dict[str, int] = {}
    for taught in index.annotations.values():
        for space in {ref.space for ref in taught.lessons}:
            spaces[space] = spaces.get(space, 0) + 1
    return ProjectSummary(
        versions=tuple((version.name, tuple(sorted(version.spaces))) for version in index.versions),
        changes=index.changes,
        annotations=sum(bool(taught.lessons) for taught in index.annotations.values()),
        spaces=spaces,
        agreement=by_version(index.annotations.values()),
    )

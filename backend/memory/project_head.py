"""What is known of a project's lessons in sum: read in each request, stored with each change."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Annotated, Any

import orjson
from pydantic import Field, TypeAdapter

from backend.memory.agreement import AgreementTotals, VersionAgreement
from backend.memory.annotation_lessons import AnnotationLessons, Row
from backend.memory.project_summary import ProjectSummary

FORMAT = 2  # 1 kept all in one value

Count = Annotated[int, Field(ge=0, le=2**53)]
Time = Annotated[float, Field(ge=0, le=1e11)]  # s since 1970


@dataclass
class Tally:
    """Of a set of annotations with lessons."""

    annotations: Count = 0
    n_bytes: Count = 0  # of their lessons
    content: Annotated[int, Field(ge=0, lt=2**64)] = (
        0  # sum of their lessons' digests, modulo 2 ** 64
    )
    spaces: dict[str, Count] = field(default_factory=dict)  # feature space -> annotations
    labels: dict[str, Count] = field(default_factory=dict)  # label -> annotations

    def add(self, taught: AnnotationLessons, sign: int = 1) -> None:
        """Count an annotation, or with -1 take it out."""
        if not taught.lessons:
            return
        self.annotations = max(self.annotations + sign, 0)
        self.n_bytes = max(self.n_bytes + sign * sum(ref.n_bytes for ref in taught.lessons), 0)
        for ref in taught.lessons:
            digest = blake2b(ref.digest.encode(), digest_size=8).digest()
            self.content = (self.content + sign * int.from_bytes(digest, "little")) % 2**64
        _count(self.spaces, {ref.space for ref in taught.lessons}, sign)
        _count(self.labels, {label for ref in taught.lessons for label in ref.labels}, sign)

    def copy(self) -> "Tally":
        return Tally(
            self.annotations, self.n_bytes, self.content, dict(self.spaces), dict(self.labels)
        )


def _count(counts: dict[str, int], names: Iterable[str], sign: int) -> None:
    for name in names:
        counts[name] = counts.get(name, 0) + sign
        if counts[name] <= 0:
            del counts[name]


@dataclass
class VersionHead:
    number: Annotated[int, Field(ge=1, le=2**53)]
    made_s: Time
    tally: Tally = field(default_factory=Tally)

    @property
    def name(self) -> str:
        """`"3-1a2b3c"`: the number and a digest of the lessons, which a deletion changes."""
        content = blake2b(self.tally.content.to_bytes(8, "little"), digest_size=3).hexdigest()
        return f"{self.number}-{content}"


@dataclass
class ProjectHead:
    versions: list[VersionHead] = field(default_factory=list)  # oldest first
    last_number: Count = 0
    changes: Count = 0  # annotations changed since the newest version
    trained: str = ""  # stream id of the newest START_TRAINING
    # Until when, s since 1970, the version that it asks for waits for annotations; 0: it is made.
    training_due_s: Time = 0.0
    present: Tally = field(default_factory=Tally)
    agreement: list[VersionAgreement] = field(default_factory=list)  # newest first

    def version(self, name: str) -> VersionHead | None:
        """The kept version of a number "3" or name "3-1a2b3c"."""
        number = name.split("-")[0]
        return next((one for one in self.versions if str(one.number) == number), None)

    def count_present(self, taught: AnnotationLessons, sign: int = 1) -> None:
        """Count an annotation of the present ones, or with -1 take it out."""
        self.present.add(taught, sign)
        if taught.agreement is not None:
            totals = AgreementTotals(self.agreement)
            totals.add(taught.agreement, taught.updated_us, sign)
            self.agreement = totals.kept()

    def summary(self) -> ProjectSummary:
        return ProjectSummary(
            versions=tuple((one.name, tuple(sorted(one.tally.spaces))) for one in self.versions),
            changes=self.changes,
            annotations=self.present.annotations,
            spaces=dict(self.present.spaces),
            agreement=tuple(self.agreement),
        )

    def to_json(self, other: Mapping[str, Any]) -> bytes:
        """`other`: fields of another release, which are kept."""
        return orjson.dumps({**other, "format": FORMAT, **vars(self)})

    @staticmethod
    def from_json(data: bytes) -> tuple["ProjectHead", dict[str, Any]]:
        """The head, and the fields that only another release knows.

        Raises NewerFormat for a format that this release cannot change, ValueError for other data.
        """
        found = orjson.loads(data)
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
        number = found.pop("format", None)
        if isinstance(number, int) and number > FORMAT:
            raise NewerFormat(f"its format is {number}, and this release knows {FORMAT}")
        if missing := {"versions", "last_number", "present"} - found.keys():
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        if not isinstance(found["present"], dict) or found["present"].keys() < vars(Tally()).keys():
            raise ValueError("it lacks counts")
        head = HEAD_JSON.validate_python(found)
        numbers = [one.number for one in head.versions]
        if numbers != sorted(set(numbers)) or (numbers and numbers[-1] > head.last_number):
            raise ValueError("its versions are not in order")
        return head, {name: each for name, each in found.items() if name not in vars(head)}


class NewerFormat(ValueError):
    """Written by a later release."""


HEAD_JSON = TypeAdapter(ProjectHead)


def recount(rows: Mapping[str, Row], past: Iterable[Row], n_pending: int) -> ProjectHead:
    """The head that belongs to these rows, in place of one that was lost.

    Not known are then when versions were made, and which training was asked for.
    """
    every = [*rows.values(), *past]
    starts = {row.since for row in every if row.since is not None}
    # A row ends with a version that is made, or with the next one.
    ends = {row.until for row in every if row.until is not None}
    last_number = max([0, *starts, *(until - 1 for until in ends)])
    numbers = {number for number in starts | ends | {last_number} if 0 < number <= last_number}
    head = ProjectHead(
        [VersionHead(number, 0.0) for number in sorted(numbers)], last_number, n_pending
    )
    for row in rows.values():
        head.count_present(row.taught)
    for version in head.versions:
        for row in every:
            if row.is_in(version.number):
                version.tally.add(row.taught)
    return head

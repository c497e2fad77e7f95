"""What is stored of one annotation: references to its lessons, and the versions that hold them."""

from dataclasses import dataclass

import orjson
from pydantic import TypeAdapter, ValidationError

from backend.memory.agreement import Agreement, Whole


@dataclass(frozen=True)
class LessonRef:
    """One lesson of an annotation, for one control and one page of the task."""

    control: str  # its name in the config
    page: Whole
    digest: str  # of the lesson's bytes, which are stored under it
    space: str  # of the features that the lesson was made of
    labels: tuple[str, ...]
    n_bytes: Whole


@dataclass(frozen=True)
class AnnotationLessons:
    """The lessons of an annotation as of one update."""

    updated_us: Whole  # Label Studio's updated_at, microseconds since 1970
    task: str  # id
    lessons: tuple[LessonRef, ...]
    agreement: Agreement | None = None  # with what was shown; None: unknown

    def teaches_as(self, other: "AnnotationLessons") -> bool:
        return (self.lessons, self.task) == (other.lessons, other.task)


@dataclass(frozen=True)
class Row:
    """An annotation's lessons, and which versions hold them."""

    taught: AnnotationLessons
    since: Whole | None = None  # number of the first version that holds them; None: none does yet
    until: Whole | None = None  # number of the first one without; None: they are the present ones

    def is_in(self, number: int) -> bool:
        """Whether the version of this number holds it."""
        return self.since is not None and self.since <= number < (self.until or number + 1)

    def to_json(self) -> bytes:
        return orjson.dumps(self)

    @staticmethod
    def from_json(data: bytes | None) -> "Row | None":
        """None for what is no row; unknown fields, of another release, are passed over."""
        try:
            return None if data is None else ROW_JSON.validate_json(data)
        except ValidationError:
            return None


ROW_JSON = TypeAdapter(Row)
LESSONS_BY_ANNOTATION = TypeAdapter(dict[str, AnnotationLessons])

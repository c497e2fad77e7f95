"""The bodies that the routes answer with: the types of the answers in /openapi.json.

The routes make plain dicts and dataclasses, which orjson writes; the tests hold every answer to
these types, without a field that is not named here.
"""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import NotRequired, TypedDict

from backend.checks.installation import Check
from backend.learning.set_aside import SetAsideEvent
from backend.recent_failures import Failure
from backend.store.servers import StoreState

Fraction = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100, description="of the image's width or height")]
Pixels = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Byte = Annotated[int, Field(ge=0, le=255)]
Seconds = Annotated[float, Field(ge=0)]


class ErrorAnswer(TypedDict):
    error: Annotated[str, Field(description="the kind of error, one word for programs")]
    message: Annotated[str, Field(description="what was given, what is needed, and the remedy")]


class HealthAnswer(TypedDict):
    status: Literal["UP"]
    model_class: str


class SetupAnswer(TypedDict):
    model_version: Annotated[str, Field(description="that predictions of this project will have")]
    warnings: list[str]


class StrokeValue(TypedDict):
    """Of a Brush or MagicWand beside a Labels."""

    format: Literal["rle"]
    rle: Annotated[list[Byte], Field(description="thi.ng rle-pack of the row-major RGBA image")]


class LabelsValue(StrokeValue):
    labels: list[str]
    start: NotRequired[Literal[0]]  # beside a MagicWand
    end: NotRequired[Literal[0]]


class BrushValue(StrokeValue):
    brushlabels: list[str]


class BitmaskValue(TypedDict):
    imageDataURL: Annotated[str, Field(description="data: URI of a PNG; its alpha is the mask")]
    bitmasklabels: list[str]


class PolygonValue(TypedDict):
    points: list[tuple[Percent, Percent]]
    closed: Literal[True]
    polygonlabels: list[str]


class RectangleValue(TypedDict):
    x: Percent
    y: Percent
    width: Percent
    height: Percent
    rotation: Literal[0]
    rectanglelabels: list[str]


class EllipseValue(TypedDict):
    x: Percent
    y: Percent
    radiusX: Percent
    radiusY: Percent
    rotation: Annotated[float, Field(description="degrees clockwise")]
    ellipselabels: list[str]


class Region(TypedDict):
    """A result item of Label Studio. Its `value` depends on its `type`."""

    id: str
    from_name: str
    to_name: str
    type: Literal[
        "brushlabels", "brush", "magicwand", "labels", "bitmasklabels", "polygonlabels",
        "rectanglelabels", "ellipselabels",
    ]  # fmt: skip
    value: (
        BrushValue | LabelsValue | StrokeValue | BitmaskValue | PolygonValue | RectangleValue
        | EllipseValue
    )  # fmt: skip
    original_width: Pixels
    original_height: Pixels
    image_rotation: Literal[0]
    score: Annotated[float, Field(ge=0, le=1, description="expected IoU; of a click, its mean")]
    item_index: NotRequired[Annotated[Count, Field(description="the page, of several")]]


class TaskError(TypedDict):
    code: str
    message: str


class Prediction(TypedDict):
    """What was found for a task. With an `error`, a part of it is missing."""

    result: list[Region]
    score: Fraction
    model_version: str
    error: NotRequired[TaskError]


class FailedPrediction(TypedDict):
    """A task that could not be answered: Label Studio stores nothing, and asks again."""

    error: TaskError
    model_version: str


class PredictAnswer(TypedDict):
    results: Annotated[
        list[Prediction | FailedPrediction], Field(description="one a task, in their order")
    ]


class QueuedAnswer(TypedDict):
    status: Literal["queued"]


class IgnoredAnswer(TypedDict):
    status: Literal["ignored"]


class VersionsAnswer(TypedDict):
    versions: list[str]


class AgreementRow(TypedDict):
    """How far annotations agree with what one version had shown for their tasks."""

    project: str
    model_version: str
    annotations: int
    iou: float
    kept: int
    changed: int
    deleted: int
    added: int
    newest_us: Annotated[int, Field(description="microseconds since 1970")]


class BackgroundRow(TypedDict):
    """Tasks of a project that no request reached in time, and that go on without one."""

    project: str
    tasks: int
    done: int
    failed: int


class WorkersRow(TypedDict):
    """The processes of this server that answer requests."""

    number: Annotated[int, Field(ge=1, description="WORKERS")]
    ready: Annotated[Count, Field(description="those whose model has loaded")]
    answering: Annotated[int, Field(description="process id of the one that answers")]


class NotReadyAnswer(TypedDict):
    status: Literal["loading", "failed"]
    message: NotRequired[Annotated[str, Field(description="why it failed")]]
    workers: WorkersRow
    store: StoreState
    degraded: Annotated[list[str], Field(description="what works less well than it could")]
    failures: Annotated[list[Failure], Field(description="of the last hour")]
    set_aside: list[SetAsideEvent]
    agreement: list[AgreementRow]


class ReadyAnswer(TypedDict):
    status: Literal["ready"]
    model: str
    model_version: str
    tower: Annotated[str, Field(description="what was measured on it, and how it is read")]
    tower_warning: str
    device: str
    precision: str
    workers: WorkersRow
    store: StoreState
    degraded: Annotated[list[str], Field(description="what works less well than it could")]
    failures: Annotated[list[Failure], Field(description="of the last hour")]
    set_aside: list[SetAsideEvent]
    agreement: list[AgreementRow]
    background: list[BackgroundRow]


class CheckAnswer(TypedDict):
    checks: list[Check]

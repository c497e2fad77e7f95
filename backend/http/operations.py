"""What each route takes and answers: the content of /openapi.json beside the views' docstrings."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from http import HTTPStatus
from operator import or_
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from backend.errors import (
    ImageBroken,
    ImageTooLarge,
    LabelConfigError,
    NoJson,
    Overloaded,
    RequestError,
    RequestTooLarge,
    SettingsError,
    StoreError,
)
from backend.http.answer_models import (
    CheckAnswer,
    HealthAnswer,
    IgnoredAnswer,
    NotReadyAnswer,
    PredictAnswer,
    QueuedAnswer,
    ReadyAnswer,
    SetupAnswer,
    VersionsAnswer,
)
from backend.http.page_models import (
    ClickAnswer,
    PageOptions,
    PageStatus,
    PhotoAnswer,
    SegmentAnswer,
)
from backend.http.photo_shelf import PhotoGone
from backend.http.request_models import (
    ClickBody,
    PredictBody,
    SegmentBody,
    SetupBody,
    VersionsBody,
)
from backend.label_studio.webhook_events import REQUIRED_KEYS, event_models
from model import ModelError

JSON = "application/json"
HTML = "text/html"  # the page
OTHER_ACTION = {"type": "string", "not": {"enum": list(REQUIRED_KEYS)}}
OtherEvent = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "title": "OtherEvent",
            "description": "an action that teaches nothing",
            "properties": {"action": OTHER_ACTION},
            "required": ["action"],
        }
    ),
]
WebhookEvent: Any = reduce(or_, event_models().values()) | OtherEvent
OpenApi = Annotated[dict[str, Any], Field(description="an OpenAPI 3.1 document")]

Error = type[Exception] | HTTPStatus  # the latter of what Flask finds


@dataclass(frozen=True)
class Content:
    """A body: its type in Python, of which JSON is described, and its media type."""

    of: Any  # bytes for files
    media_type: str = JSON
    examples: tuple[str, ...] = ()  # names of files in backend/http/examples
    is_required: bool = True


@dataclass(frozen=True)
class Operation:
    """One method of one route."""

    answers: Mapping[int, tuple[Content, ...]]
    body: Content | None = None
    errors: tuple[Error, ...] = ()  # beside those of all routes, and of all with a body
    takes_secret: bool = False  # X-Firstpass-Secret, in place of the password


def answered(by: Any, *others: Content, status: int = 200) -> dict[int, tuple[Content, ...]]:
    return {status: (Content(by), *others)}


def image() -> dict[int, tuple[Content, ...]]:
    return {200: (Content(bytes, "image/jpeg"),)}


TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
JSON_BODY: tuple[Error, ...] = (RequestError, NoJson, TOO_LARGE)
ASKING: tuple[Error, ...] = (*JSON_BODY, Overloaded)
PLAYGROUND: tuple[Error, ...] = (*ASKING, LabelConfigError, SettingsError, ModelError, PhotoGone)

OPERATIONS: dict[str, Operation] = {
    "GET /": Operation(answered(HealthAnswer, Content(str, HTML))),
    "GET /health": Operation(answered(HealthAnswer)),
    "POST /setup": Operation(
        answered(SetupAnswer),
        Content(SetupBody, examples=("setup",)),
        (*ASKING, LabelConfigError, SettingsError, ModelError),
    ),
    "POST /predict": Operation(
        answered(PredictAnswer),
        Content(PredictBody, examples=("predict", "click")),
        (*ASKING, RequestTooLarge),
    ),
    "POST /webhook": Operation(
        {**answered(IgnoredAnswer), **answered(QueuedAnswer, status=201)},
        Content(WebhookEvent, examples=("annotation_created",)),
        (*JSON_BODY, StoreError),
        takes_secret=True,
    ),
    "GET /versions": Operation(answered(VersionsAnswer), errors=(Overloaded,)),
    "POST /versions": Operation(
        answered(VersionsAnswer), Content(VersionsBody, is_required=False), ASKING
    ),
    "GET /ready": Operation({**answered(ReadyAnswer), **answered(NotReadyAnswer, status=503)}),
    "GET /metrics": Operation({200: (Content(str, "text/plain"),)}),
    "GET /openapi.json": Operation(answered(OpenApi)),
    "GET /page/status": Operation(answered(PageStatus)),
    "GET /page/options": Operation(answered(PageOptions)),
    "GET /page/samples/<name>": Operation(image(), errors=(HTTPStatus.NOT_FOUND,)),
    "POST /page/check": Operation(answered(CheckAnswer)),
    "POST /page/photo": Operation(
        answered(PhotoAnswer),
        Content(bytes, "application/octet-stream"),
        (RequestError, ImageBroken, ImageTooLarge, Overloaded, TOO_LARGE),
    ),
    "GET /page/photo/<name>": Operation(image(), errors=(PhotoGone, Overloaded)),
    "POST /page/segment": Operation(answered(SegmentAnswer), Content(SegmentBody), PLAYGROUND),
    "POST /page/click": Operation(answered(ClickAnswer), Content(ClickBody), PLAYGROUND),
}

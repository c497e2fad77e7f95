"""The bodies that the routes of the page answer with, as types for /openapi.json."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from backend.http.answer_models import (
    Count,
    Fraction,
    NotReadyAnswer,
    Pixels,
    ReadyAnswer,
    Seconds,
)


class Connection(TypedDict):
    url: str
    port: int
    is_local: bool
    label_studio: str
    has_password: bool


class Learning(TypedDict):
    is_on: bool
    learn_every: int


class ProjectRow(TypedDict):
    project: str
    number: Annotated[int, Field(description="Label Studio's; 0 if the name has none")]
    url: str
    annotations: int
    changes: int
    versions: list[str]
    model_version: Annotated[str | None, Field(description="null until the model has loaded")]


class PageStatus(TypedDict):
    ready: ReadyAnswer | NotReadyAnswer
    connect: Connection
    learning: Learning
    projects: list[ProjectRow]


class Sample(TypedDict):
    name: str
    alt: str
    labels: list[str]
    author: str


class PageOptions(TypedDict):
    methods: list[str]
    method: str
    refiners: list[str]
    refiner: str
    max_photo_mb: int
    max_photo_mpx: float
    samples: list[Sample]


class DecodeSeconds(TypedDict):
    decode: Seconds


class PhotoAnswer(TypedDict):
    photo: Annotated[str, Field(description="the name to ask for it by")]
    width: Pixels
    height: Pixels
    seconds: DecodeSeconds


class LabelMap(TypedDict):
    width: Pixels
    height: Pixels
    runs: Annotated[
        list[int], Field(description="label, pixels, label, pixels, …, row by row; -1 is no label")
    ]


class LabelRow(TypedDict):
    name: str
    value: str
    color: str
    words: list[str]
    hint: str
    score: Annotated[Fraction | None, Field(description="null where not shown")]
    share: Annotated[Fraction | None, Field(description="of the image; null where not shown")]
    left_out: Annotated[
        float | None, Field(description="score of one that predictions leave out, else null")
    ]


class SegmentSeconds(TypedDict):
    words: Seconds
    features: Seconds
    decision: Seconds


class SegmentAnswer(TypedDict):
    map: LabelMap
    labels: list[LabelRow]
    background: list[str]
    negatives: list[str]
    method: str
    refiner: str
    seconds: SegmentSeconds
    label_config: str


class ClickSeconds(TypedDict):
    features: Seconds
    click: Seconds


class ClickAnswer(TypedDict):
    map: LabelMap
    label: Annotated[Count, Field(description="index into the labels")]
    score: Fraction
    share: Fraction
    seconds: ClickSeconds

"""The bodies that the routes take: which fields, and of which types.

Fields that are not named here are ignored, since Label Studio sends more than is needed.
"""

from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from backend.errors import RequestError
from backend.http.request_limits import MAX_TASKS
from backend.label_studio.config_xml import MAX_CONFIG_CHARS
from backend.label_studio.project_settings import extra_params_schema
from backend.label_studio.task_data import describe_kind

Model = TypeVar("Model", bound="Body")

MAX_NAME_CHARS = 200  # Label Studio's projects are "<id>.<second of its creation>"
NAME_NEEDED = f"a name or number of at most {MAX_NAME_CHARS} characters"
NO_VALUE = type(None)
PROJECT_NAME = "the project's id and, after a dot, the second of its creation"
REQUIRED = {  # by the name of the field
    "tasks": "a list of Label Studio tasks",
    "label_config": "the XML of the labeling config",
    "photo": "the name that /page/photo gave it",
    "labels": "names with commas or lines between them, or a labeling config",
    "context": "an object, with the clicks and boxes in its result",
}
# What the validators below take, for /openapi.json.
NAME_SCHEMA = {
    "anyOf": [
        {"type": "string", "maxLength": MAX_NAME_CHARS},
        {"type": "number"},
        {"type": "null"},
    ]
}
TASK_SCHEMA = {
    "description": "A task of Label Studio. What is no object fails by itself, with an error of "
    "its own in the answer.",
    "properties": {
        "id": NAME_SCHEMA,
        "data": {"description": "an object with what the labeling config names: `image`, …"},
        "predictions": {"description": "those that Label Studio has of it, each with its regions"},
    },
}
CONFIG_SCHEMA: JsonDict = {
    "type": "string",
    "contentMediaType": "application/xml",
}
CONFIG_OR_NULL: JsonDict = {"anyOf": [CONFIG_SCHEMA, {"type": "null"}]}


def only(needed: str, *types: type) -> BeforeValidator:
    """A validator that takes values of exactly these types, so that true is no number."""

    def check(value: Any) -> Any:
        if type(value) not in types:
            raise PydanticCustomError("kind", "{needed}", {"needed": needed})
        return value

    return BeforeValidator(check)


def to_name(value: Any) -> str:
    """The name or number of something in Label Studio, as text; "" for null."""
    return "" if value is None else str(value)


def check_name(name: str) -> str:
    if len(name) > MAX_NAME_CHARS:
        raise PydanticCustomError("length", "{needed}", {"needed": NAME_NEEDED})
    return name


Name = Annotated[
    str,
    AfterValidator(check_name),
    BeforeValidator(to_name),
    only("text or a number", str, int, float, NO_VALUE),
    WithJsonSchema(NAME_SCHEMA),
]
Text = Annotated[str | None, only("text or null", str, NO_VALUE)]
Object = only("an object or null", dict, NO_VALUE)
ExtraParams = TypeAliasType("ExtraParams", Annotated[Any, WithJsonSchema(extra_params_schema())])


class Body(BaseModel):
    """A JSON object, or a part of one."""

    model_config = ConfigDict(frozen=True)


class Item(Body):
    """What has an id: a task, or a click."""

    id: Name = ""


class Prompt(Item):
    """A click, a box, or another region of a smart tool."""

    type: Text = None
    to_name: Text = None
    value: Annotated[dict[str, Any] | None, Object] = None


class Context(Body):
    """What smart tools of Label Studio send: key points and rectangles, the newest last."""

    result: Annotated[
        list[Annotated[Prompt, only("an object", dict)]] | None,
        only("a list of objects or null", list, NO_VALUE),
    ] = None


class Params(Body):
    login: Text = Field(None, description="user at the host of the images")
    password: Text = Field(None, description="of that user")
    context: Annotated[Context | None, Object] = None


class SetupBody(Body):
    """A project introduces itself."""

    project: Name = Field("", description=PROJECT_NAME)
    label_config: Annotated[Text, WithJsonSchema(CONFIG_OR_NULL)] = Field(
        None,
        alias="schema",
        description=f"the labeling config, {MAX_CONFIG_CHARS} characters at most",
    )
    hostname: Text = Field(None, description="the name that Label Studio goes by; never asked")
    access_token: Text = Field(None, description="for where LABEL_STUDIO_API_KEY is not set")
    extra_params: ExtraParams = None


def check_task(task: Any) -> Any:
    """The task as it is, once its id is one. Anything but an object fails by itself, later."""
    if isinstance(task, dict):
        Item.model_validate(task)
    return task


# Named, so that /openapi.json describes it once.
Task = TypeAliasType(
    "Task", Annotated[Any, AfterValidator(check_task), WithJsonSchema(TASK_SCHEMA)]
)


class PredictBody(Body):
    """Tasks to paint, or one task with the clicks of a smart tool."""

    tasks: Annotated[
        list[Task],
        only(REQUIRED["tasks"], list),
        Field(json_schema_extra={"maxItems": MAX_TASKS}),
    ]
    label_config: Annotated[
        str, only(REQUIRED["label_config"], str), WithJsonSchema(CONFIG_SCHEMA)
    ] = Field(description=REQUIRED["label_config"])
    project: Name = Field("", description="as in /setup: its settings and lessons are used")
    params: Annotated[Params | None, Object] = None


class VersionsBody(Body):
    project: Name = Field("", description="without it, of all projects")


class SegmentBody(Body):
    """A photo of the page, and what to look for in it."""

    photo: Annotated[str, only(REQUIRED["photo"], str)] = Field(description=REQUIRED["photo"])
    labels: Annotated[str, only(REQUIRED["labels"], str)] = Field(
        description=f"{REQUIRED['labels']}, of which the first control counts"
    )
    extra_params: ExtraParams = None


class ClickBody(SegmentBody):
    """A photo of the page with clicks, of which the newest names the label."""

    context: Annotated[Context, only(REQUIRED["context"], dict)]


def parse_body(model: type[Model], body: dict[str, Any], path: str) -> Model:
    """The body as its model. Raises RequestError, which names the first field that is wrong."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise RequestError(describe_first(error, path)) from None  # since it quotes the value


def describe_first(error: ValidationError, path: str) -> str:
    """A sentence on the first wrong field: which one, what it needs, what it is instead."""
    found = error.errors(include_url=False)[0]
    parts = [f"item {part}" if isinstance(part, int) else f'"{part}"' for part in found["loc"]]
    if found["type"] == "missing":
        return f"{path} needs {parts[0]}, {REQUIRED[str(found['loc'][0])]}."
    where = " of ".join(reversed(parts))
    return f"{where} of {path} must be {found['msg']}, but is: {describe_kind(found['input'])}."

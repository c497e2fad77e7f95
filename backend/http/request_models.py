"""The bodies that the routes take: which fields, and of which types.

Fields that are not named here are ignored, since Label Studio sends more than is needed.
"""

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from backend.errors import RequestError
from backend.label_studio.task_data import describe_kind

Model = TypeVar("Model", bound="Body")

MAX_NAME_CHARS = 200  # Label Studio's projects are "<id>.<second of its creation>"
NAME_NEEDED = f"a name or number of at most {MAX_NAME_CHARS} characters"
NO_VALUE = type(None)
REQUIRED = {  # by the name of the field
    "tasks": "a list of Label Studio tasks",
    "label_config": "the XML of the labeling config",
}


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
]
Text = Annotated[str | None, only("text or null", str, NO_VALUE)]
Object = only("an object or null", dict, NO_VALUE)


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
    result: Annotated[
        list[Annotated[Prompt, only("an object", dict)]] | None,
        only("a list of objects or null", list, NO_VALUE),
    ] = None


class Params(Body):
    login: Text = Field(None, description="user at the host of the images")
    password: Text = None
    context: Annotated[Context | None, Object] = None


class SetupBody(Body):
    """A project introduces itself."""

    project: Name = ""
    label_config: Text = Field(None, alias="schema", description="the labeling config, XML")
    hostname: Text = None
    access_token: Text = None
    extra_params: Any = None


def check_task(task: Any) -> Any:
    """The task as it is, once its id is one. Anything but an object fails by itself, later."""
    if isinstance(task, dict):
        Item.model_validate(task)
    return task


class PredictBody(Body):
    """Tasks to paint, or one task with the clicks of a smart tool."""

    tasks: Annotated[
        list[Annotated[Any, AfterValidator(check_task)]],
        only(REQUIRED["tasks"], list),
    ]
    label_config: Annotated[str, only(REQUIRED["label_config"], str)]
    project: Name = ""
    params: Annotated[Params | None, Object] = None


class VersionsBody(Body):
    project: Name = ""


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

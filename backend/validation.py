"""Describes in words which values a field of a pydantic model accepts, for error messages.

The description is derived from the type: `Annotated[int, Field(ge=1, le=65535)]` accepts "a whole
number from 1 to 65535". An `Accepts` in the type's metadata overrides it.
"""

import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import ErrorDetails, core_schema


@dataclass(frozen=True)
class Accepts:
    """Metadata of an Annotated type: the accepted values in words."""

    description: str


@dataclass(frozen=True)
class OneOf:
    """Metadata of an Annotated str: it must be one of these names."""

    names: tuple[str, ...]

    @property
    def description(self) -> str:
        return "one of " + ", ".join(self.names)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "enum": list(self.names)}

    def check(self, name: str) -> str:
        if name not in self.names:
            raise ValueError(name)
        return name


def describe_field(field: FieldInfo, *, as_entry: bool = False) -> str:
    """The values that a field accepts, in words; with `as_entry`, the values of its dict."""
    if as_entry:
        return describe_type(get_args(field.annotation)[1])
    return describe_type(field.annotation, field.metadata)


def describe_type(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """The values of a type, in words: `Literal["on", "off"]` -> "one of on, off"."""
    description = next(
        (one.description for one in metadata if isinstance(one, Accepts | OneOf)), None
    )
    if description is not None:
        return description
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *inner = get_args(annotation)
        return describe_type(base, [*metadata, *inner])
    if origin in (Union, types.UnionType):
        parts = [describe_type(part) for part in get_args(annotation) if part is not type(None)]
        return " or ".join(parts)
    if origin is Literal:
        values = get_args(annotation)
        return f'"{values[0]}"' if len(values) == 1 else "one of " + ", ".join(map(str, values))
    return TYPE_NAMES.get(annotation, "any text") + _describe_range(metadata)


TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number"}


def _describe_range(metadata: Sequence[Any]) -> str:
    limits = {
        name: value
        for part in metadata
        for one in (part.metadata if isinstance(part, FieldInfo) else [part])
        for name in ("ge", "le")
        if (value := getattr(one, name, None)) is not None
    }
    return f" from {limits['ge']:g} to {limits['le']:g}" if len(limits) == 2 else ""


@dataclass(frozen=True)
class InvalidField:
    """A value that a field of a model does not accept."""

    field: str
    path: tuple[int | str, ...]  # the key of the value, if the field is a dict
    given: Any
    accepts: str


def invalid_field_of(error: ErrorDetails, model: type[BaseModel]) -> InvalidField:
    """The field and value of one of `ValidationError.errors()`."""
    name, *path = error["loc"]
    field = model.model_fields[str(name)]
    is_entry = get_origin(field.annotation) is dict
    # The rest of the path of a union type is names of its members, which users do not know.
    keys = tuple(path[:1]) if is_entry else ()
    return InvalidField(str(name), keys, error["input"], describe_field(field, as_entry=bool(keys)))

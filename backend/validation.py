"""Refusals of typed values as sentences: what was given, and what is accepted instead.

Settings of the environment and of a project are pydantic models. What a field accepts is said once,
by its type: `Annotated[int, Field(ge=1, le=65535)]` accepts "a whole number from 1 to 65535". Where
a type does not say it, an `Accepts` in its Annotated does.
"""

import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, core_schema


@dataclass(frozen=True)
class Accepts:
    """Metadata of an Annotated type: the values that it takes, in words."""

    words: str


@dataclass(frozen=True)
class OneOf:
    """Metadata of an Annotated str: it must be one of these names."""

    names: tuple[str, ...]

    @property
    def words(self) -> str:
        return "one of " + ", ".join(self.names)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def check(self, name: str) -> str:
        if name not in self.names:
            raise ValueError(name)
        return name


def accepted_by(field: FieldInfo, *, as_entry: bool = False) -> str:
    """What a field takes, in words; `as_entry`: what an entry of a field that is a dict takes."""
    if as_entry:
        return accepted(get_args(field.annotation)[1])
    return accepted(field.annotation, field.metadata)


def accepted(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """The values of a type in words: `Literal["on", "off"]` -> "one of on, off"."""
    said = next((one.words for one in metadata if isinstance(one, Accepts | OneOf)), None)
    if said is not None:
        return said
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *inner = get_args(annotation)
        return accepted(base, [*metadata, *inner])
    if origin in (Union, types.UnionType):
        parts = [accepted(part) for part in get_args(annotation) if part is not type(None)]
        return " or ".join(parts)
    if origin is Literal:
        values = get_args(annotation)
        return f'"{values[0]}"' if len(values) == 1 else "one of " + ", ".join(map(str, values))
    return NAMES.get(annotation, "any text") + _range_of(metadata)


NAMES = {bool: "true or false", int: "a whole number", float: "a number"}


def _range_of(metadata: Sequence[Any]) -> str:
    limits = {
        name: value
        for part in metadata
        for one in (part.metadata if isinstance(part, FieldInfo) else [part])
        for name in ("ge", "le")
        if (value := getattr(one, name, None)) is not None
    }
    return f" from {limits['ge']:g} to {limits['le']:g}" if len(limits) == 2 else ""


@dataclass(frozen=True)
class Refusal:
    """One value that a model does not take."""

    field: str
    path: tuple[int | str, ...]  # into a mapping: the key whose value it is
    given: Any
    accepts: str


def refusal_of(error: ErrorDetails, model: type[BaseModel]) -> Refusal:
    """The first thing that is wrong, from `ValidationError.errors()`."""
    name, *path = error["loc"]
    field = model.model_fields[str(name)]
    is_entry = get_origin(field.annotation) is dict
    # The rest of the path of a union are names of its branches, which nobody gave.
    keys = tuple(path[:1]) if is_entry else ()
    return Refusal(str(name), keys, error["input"], accepted_by(field, as_entry=bool(keys)))

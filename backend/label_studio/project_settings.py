"""Settings of one project, from the "extra params" of its ML backend in Label Studio.

/setup sends them, /predict does not: they are validated at /setup and stored per project.
"""

import dataclasses
import difflib
import json
import re
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)

from backend.errors import SettingsError
from backend.validation import Accepts, OneOf, invalid_field_of
from model import METHODS, REFINERS, TEMPLATES, Automatic, LogitScale, SegmentSettings, Share

MAX_PARAMS_BYTES = 1_000_000  # as JSON, as many as of a labeling config
VERSION_NAME = r"newest|none|[0-9]{1,9}(-[0-9a-f]{1,32})?"


def split_words(value: Any) -> tuple[str, ...]:
    """Words of a list, or of one text with commas. Raises ValueError for anything else."""
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise ValueError(value)
    return tuple(word.strip() for word in words if word.strip())


def check_version_name(value: Any) -> str:
    name = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(name, str) or not re.fullmatch(VERSION_NAME, name):
        raise ValueError(value)
    return name


Words = Annotated[
    tuple[str, ...],
    BeforeValidator(split_words),
    Accepts('a list of words, such as ["floor", "wall"]'),
    WithJsonSchema(
        {
            "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}],
            "description": "a list of words, or one text of words divided by commas",
        }
    ),
]
Version = Annotated[
    str,
    BeforeValidator(check_version_name),
    Accepts('"newest", "none" or the number of a version, such as 3'),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^({VERSION_NAME})$"},
                {"type": "integer", "minimum": 0, "maximum": 10**9 - 1},
            ]
        }
    ),
]
ENTRY_PER_LABEL = Accepts('an object with one entry a label, such as {"Cat": …}')


def option(default: Any, meaning: str) -> Any:
    """One row of the extra params in docs/settings.md."""
    return Field(default=default, description=meaning)


class ProjectSettings(BaseModel):
    """None stands for the server's setting, or else the method's own value."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    method: Annotated[str, OneOf(tuple(METHODS))] | None = option(None, "segmentation method")
    refiner: Annotated[str, OneOf(tuple(REFINERS))] | None = option(
        None, "what pulls masks onto edges"
    )
    templates: Annotated[str, OneOf(tuple(TEMPLATES))] | None = option(
        None, "prompt templates of the domain"
    )
    logit_scale: LogitScale | Automatic | None = option(None, "sharpness of the class decision")
    prob_threshold: Share | Automatic | None = option(
        None, "pixels less sure than this stay unlabeled"
    )
    area_threshold: Share | Automatic | None = option(
        None, "labels on a smaller part of the image are left out"
    )
    description_weight: Share | None = option(
        None, "weight of hints and descriptions against the name"
    )
    synonym_reduction: Literal["max", "mean"] | None = option(
        None, "how the synonyms of a label join"
    )
    auto_negatives: bool = option(
        True, "add everyday words that no label is related to, for what stays unlabeled"
    )
    background: Words = option((), "words for what is in no label")
    descriptions: Annotated[dict[str, str], ENTRY_PER_LABEL] = option(
        {}, "a sentence for each label"
    )
    synonyms: Annotated[dict[str, Words], ENTRY_PER_LABEL] = option(
        {}, "other words for each label"
    )
    min_region_px: Annotated[int, Field(ge=0, le=10**9)] = option(
        16, "masks of fewer pixels are left out"
    )
    # Chosen by benchmarks.scores (benchmarks/README.md, "Scores").
    min_score: Share = option(
        0.15, "regions whose score, their expected IoU, is lower are left out"
    )
    regions: Literal["label", "part"] = option(
        "label", "one region a label, or one a connected part, each with a score of its own"
    )
    memory_version: Version = option(
        "newest",
        "which version of what was learned is used: newest, none, or a number of /versions",
    )

    @classmethod
    def from_extra_params(cls, params: Any) -> "tuple[ProjectSettings, list[str]]":
        """The settings, and a sentence for each unknown key, which is ignored.

        `params`: the object of /setup, its JSON text, or None. Raises SettingsError for a wrong
        value, and for a key that looks like a misspelled one. Other unknown keys may be meant for
        another program.
        """
        known = cls.model_fields
        params = parse_params(params)
        check_size(params)
        values, ignored = {}, []
        for key, value in params.items():
            if key in known:
                if value is not None:
                    values[key] = value
                continue
            sentence = f"extra_params: {key!r} is not known. Known are {', '.join(known)}."
            close = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.75)
            if close:
                raise SettingsError(f"{sentence} Did you mean {close[0]!r}?")
            ignored.append(sentence)
        try:
            return cls.model_validate(values), ignored
        except ValidationError as error:
            invalid = invalid_field_of(error.errors()[0], cls)
            key = invalid.field + "".join(f"[{part!r}]" for part in invalid.path)
            raise SettingsError(
                f"extra_params: {key} cannot be {as_json(invalid.given)}. "
                f"It takes {invalid.accepts}."
            ) from error

    def to_json(self) -> bytes:
        """JSON of the values that differ from the defaults; `from_extra_params` reads it back."""
        return json.dumps(self._non_default_values(), sort_keys=True).encode()

    def vocabulary_json(self) -> bytes:
        """JSON of the non-default fields that SegmentSettings lacks, such as words; b"" if none."""
        # memory_version is left out: model_version names the version that is used.
        other_fields = {*SEGMENT_FIELDS, "memory_version"}
        own = {
            key: value
            for key, value in self._non_default_values().items()
            if key not in other_fields
        }
        return json.dumps(own, sort_keys=True).encode() if own else b""

    def segment_settings(self, default: SegmentSettings) -> SegmentSettings:
        """The server's settings, overridden by those that the project sets."""
        own = {name: getattr(self, name) for name in SEGMENT_FIELDS}
        chosen = {name: value for name, value in own.items() if value is not None}
        return dataclasses.replace(default, **chosen)

    def _non_default_values(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True)


SEGMENT_FIELDS = tuple(field.name for field in dataclasses.fields(SegmentSettings))


def extra_params_schema() -> dict[str, Any]:
    """JSON Schema of what `from_extra_params` takes: an object, its JSON text, or null."""
    found = ProjectSettings.model_json_schema()
    for name, schema in found["properties"].items():
        notes = {key: schema.pop(key) for key in ("description", "default")}
        del schema["title"]  # which says what the name says
        kinds = [kind for kind in schema.pop("anyOf", [schema]) if kind != {"type": "null"}]
        found["properties"][name] = {"anyOf": [*kinds, {"type": "null"}], **notes}
    del found["additionalProperties"]  # unknown keys are ignored
    found["description"] = "settings of the project; null stands for the server's or the method's"
    text = {
        "type": "string",
        "contentMediaType": "application/json",
        "description": "the object as JSON text",
    }
    return {"anyOf": [found, text, {"type": "null"}]}


def parse_params(params: Any) -> dict[str, Any]:
    if isinstance(params, str):
        try:
            params = orjson.loads(params) if params.strip() else None
        except ValueError as error:
            raise SettingsError(f"extra_params is not JSON: {error}.") from error
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise SettingsError(
            f'extra_params must be a JSON object such as {{"method": "firstpass"}}, '
            f"not {as_json(params)}."
        )
    return params


def check_size(params: dict[str, Any]) -> None:
    """Raise SettingsError for more than MAX_PARAMS_BYTES."""
    try:
        n_bytes = len(orjson.dumps(params))
    except TypeError as error:
        raise SettingsError("extra_params are nested so deeply that nothing reads them.") from error
    if n_bytes > MAX_PARAMS_BYTES:
        raise SettingsError(
            f"extra_params are {n_bytes} bytes long; {MAX_PARAMS_BYTES} are taken: shorten their "
            "lists of words, or write synonyms into the labeling config."
        )


def as_json(value: Any) -> str:
    """The value for a message, at most 80 characters."""
    try:
        return json.dumps(value)[:80]
    except RecursionError:
        return "something nested so deeply"

"""What one project may set, in the "extra params" of its Label Studio ML backend.

/setup carries them, /predict does not: they are validated at /setup and remembered per project.
"""

import dataclasses
import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from backend.errors import SettingsError
from model import METHODS, REFINERS, TEMPLATES, SegmentSettings

Check = Callable[[str, Any], Any]


def name_in(known: Mapping[str, Any] | tuple[str, ...]) -> Check:
    def check(key: str, value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise bad(key, value, "one of " + ", ".join(known))
        return value

    return check


def number_in(low: float, high: float) -> Check:
    def check(key: str, value: Any) -> float:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise bad(key, value, f"a number from {low:g} to {high:g}")
        return value

    return check


def true_or_false(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise bad(key, value, "true or false")
    return value


def words(key: str, value: Any) -> tuple[str, ...]:
    """A list of words, or one text of words divided by commas."""
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(word, str) for word in listed):
        raise bad(key, value, 'a list of words, such as ["floor", "wall"]')
    return tuple(word.strip() for word in listed if word.strip())


def version_number(key: str, value: Any) -> str:
    name = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    pattern = r"newest|none|[0-9]{1,9}(-[0-9a-f]{1,32})?"
    if not isinstance(name, str) or not re.fullmatch(pattern, name):
        raise bad(key, value, '"newest", "none" or the number of a version, such as 3')
    return name


def per_label(check: Check) -> Check:
    def check_each(key: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise bad(key, value, 'an object with one entry a label, such as {"Cat": …}')
        return {label: check(f"{key}[{label!r}]", entry) for label, entry in value.items()}

    return check_each


def text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise bad(key, value, "a text")
    return value


def bad(key: str, value: Any, accepts: str) -> SettingsError:
    return SettingsError(
        f"extra_params: {key} cannot be {json.dumps(value)[:80]}. It takes {accepts}."
    )


def option(default: Any, check: Check, meaning: str) -> Any:
    about = {"check": check, "meaning": meaning}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=about)
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class ProjectSettings:
    """None: the server's setting, or else the method's own value."""

    method: str | None = option(None, name_in(METHODS), "segmentation method")
    refiner: str | None = option(None, name_in(REFINERS), "what pulls masks onto edges")
    templates: str | None = option(None, name_in(TEMPLATES), "prompt templates of the domain")
    logit_scale: float | None = option(None, number_in(1, 1000), "sharpness of the class decision")
    prob_threshold: float | None = option(
        None, number_in(0, 1), "pixels less sure than this stay unlabelled"
    )
    area_threshold: float | None = option(
        None, number_in(0, 1), "labels on a smaller part of the image are left out"
    )
    description_weight: float | None = option(
        None, number_in(0, 1), "weight of hints and descriptions against the name"
    )
    synonym_reduction: str | None = option(
        None, name_in(("max", "mean")), "how the synonyms of a label join"
    )
    auto_negatives: bool = option(
        True, true_or_false, "add everyday words that are kin to no label, for the unlabelled"
    )
    background: tuple[str, ...] = option((), words, "words for what is in no label")
    descriptions: Mapping[str, str] = option({}, per_label(text), "a sentence for each label")
    synonyms: Mapping[str, tuple[str, ...]] = option(
        {}, per_label(words), "other words for each label"
    )
    min_region_px: int = option(16, number_in(0, 1e9), "masks of fewer pixels are left out")
    memory_version: str = option(
        "newest",
        version_number,
        "which version of what was learnt is used: newest, none, or a number of /versions",
    )

    @classmethod
    def from_extra_params(cls, params: Any) -> "tuple[ProjectSettings, list[str]]":
        """Settings, and a sentence for each key that we do not know and ignore.

        params: the object of /setup, its JSON text, or None. A wrong value raises SettingsError,
        and so does a key that looks like one of ours misspelt; a key like none of ours may be
        meant for another program and is only reported.
        """
        known = {row.name: row for row in fields(cls)}
        values, ignored = {}, []
        for key, value in as_object(params).items():
            if key in known:
                if value is not None:
                    values[key] = known[key].metadata["check"](key, value)
                continue
            sentence = f"extra_params: {key!r} is not known. Known are {', '.join(known)}."
            close = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.75)
            if close:
                raise SettingsError(f"{sentence} Did you mean {close[0]!r}?")
            ignored.append(sentence)
        return cls(**values), ignored

    def to_json(self) -> bytes:
        """Only what differs from the default; `from_extra_params` reads it back."""
        return json.dumps(self._changed(), sort_keys=True).encode()

    def words_json(self) -> bytes:
        """What SegmentSettings does not hold, as far as it differs from the default; b"" if not."""
        # What was learnt has a part of its own in model_version.
        passed_on = {row.name for row in fields(SegmentSettings)} | {"memory_version"}
        own = {key: value for key, value in self._changed().items() if key not in passed_on}
        return json.dumps(own, sort_keys=True).encode() if own else b""

    def _changed(self) -> dict[str, Any]:
        default = type(self)()
        names = [row.name for row in fields(self)]
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value != getattr(default, name)}

    def segment_settings(self, default: SegmentSettings) -> SegmentSettings:
        """The server's settings with those of this project over them."""
        names = [row.name for row in fields(SegmentSettings)]
        own = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return dataclasses.replace(default, **own)


def as_object(params: Any) -> dict[str, Any]:
    if isinstance(params, str):
        try:
            params = json.loads(params) if params.strip() else None
        except ValueError as error:
            raise SettingsError(f"extra_params is not JSON: {error}.") from error
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise SettingsError(
            f'extra_params must be a JSON object such as {{"method": "firstpass"}}, '
            f"not {json.dumps(params)[:80]}."
        )
    return params

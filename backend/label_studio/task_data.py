"""What a control's attributes mean for one task: its repetitions, images and labels.

A value such as $image, $page.url or $photos[0] names a part of the task's data; in a text such as
http://host/$file each variable is replaced. As Label Studio's editor does it (utils/data.js).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from backend.errors import NoImage, RequestError
from backend.label_studio.config_xml import shorten
from backend.label_studio.controls import VARIABLE, Control, LabelSpec, unique_labels

MAX_REPETITIONS = 1000  # of a Repeater in one task


@dataclass(frozen=True)
class TaskImage:
    """One image of a task for a control: a page, or the only one."""

    page: int
    value: Any  # in the task's data

    @property
    def uri(self) -> str:
        """Raises RequestError for a value that is no text."""
        if not isinstance(self.value, str):
            raise RequestError(
                "Each page of a task must be an image address, but one is: "
                f"{describe_kind(self.value)}. Mend the task's list of pages."
            )
        return self.value


def repeat_control(control: Control, task_data: Mapping[str, Any]) -> Iterator[Control]:
    """The control for each item of the Repeaters around it, one by one; itself without any.

    Names and values have the index in place of the Repeater's flag, as in Label Studio's results.
    Raises NoImage if there are no items, RequestError if they are no list, or too many.
    """
    if not control.repeaters:
        yield control
        return
    first, *inner = control.repeaters
    items = resolve_value(first.on, task_data)
    if items is None or items == []:
        raise NoImage(
            f'The task\'s data has nothing under "{first.on[1:]}", which the Repeater around '
            f'"{control.from_name}" goes through. It has the keys {_format_keys(task_data)}.'
        )
    if not isinstance(items, list) or len(items) > MAX_REPETITIONS:
        given = f"{len(items)} items" if isinstance(items, list) else describe_kind(items)
        raise RequestError(
            f"A Repeater goes through a list of at most {MAX_REPETITIONS} items under "
            f'"{first.on[1:]}" of the task\'s data, not {given}.'
        )
    for index in range(len(items)):
        once = _with_index(replace(control, repeaters=tuple(inner)), first.index_flag, index)
        yield from repeat_control(once, task_data)


def _with_index(control: Control, flag: str, index: int) -> Control:
    def fill(text: str) -> str:
        return text.replace(flag, str(index))

    return replace(
        control,
        from_name=fill(control.from_name),
        to_name=fill(control.to_name),
        image_value=fill(control.image_value),
        labels=unique_labels(
            {name: fill(text) for name, text in label.attrs.items()} for label in control.labels
        ),
        brush_name=control.brush_name and fill(control.brush_name),
        dynamic_key=control.dynamic_key and fill(control.dynamic_key),
        repeaters=tuple(replace(inner, on=fill(inner.on)) for inner in control.repeaters),
    )


def task_images(control: Control, task_data: Mapping[str, Any]) -> list[TaskImage]:
    """The task's images for a control: one, or those pages of an <Image valueList> that are there.

    Raises NoImage if the task has none, RequestError if it has something else there.
    """
    found = resolve_value(control.image_value, task_data)
    if found is None and VARIABLE.fullmatch(control.image_value):
        # The key of files that were uploaded before the project had a config.
        found = task_data.get("$undefined$")
    values = found if isinstance(found, list) and control.is_value_list else [found]
    images = [TaskImage(page, one) for page, one in enumerate(values) if one not in (None, "")]
    if images and (control.is_value_list or isinstance(found, str)):
        return images
    needed = "a list of image addresses" if control.is_value_list else "an image address"
    keys = " and ".join(f'"{key}"' for key in _variables(control.image_value))
    raise (RequestError if images else NoImage)(
        f"The task's data needs {needed} under {keys} (the value of the Image "
        f'"{control.to_name}"), but has: {describe_kind(found)}. It has the keys '
        f"{_format_keys(task_data)}."
    )


def describe_kind(value: Any) -> str:
    """What a JSON value is, such as "list of text", without its content: URLs may hold secrets."""
    if isinstance(value, list) and value:
        return "list of " + " and ".join(sorted({describe_kind(one) for one in value}))
    kind = JSON_KINDS.get(type(value), "nothing")
    return f"empty {kind}" if value in ("", [], {}) else kind


JSON_KINDS = {str: "text", list: "list", dict: "object", bool: "true or false"} | dict.fromkeys(
    (int, float), "number"
)


def labels_for(control: Control, task_data: Mapping[str, Any]) -> tuple[LabelSpec, ...]:
    """The control's labels for one task: those of the config, then dynamic ones of the task's data.

    Dynamic labels are a list of words, or of objects with the attributes of <Label>.
    Raises RequestError for anything else.
    """
    if control.dynamic_key is None:
        return control.labels
    items = _lookup_path(task_data, control.dynamic_key)
    if items is None and control.labels:
        return control.labels  # as Label Studio does for a task without dynamic labels
    if not isinstance(items, list) or not all(isinstance(i, str | Mapping) for i in items):
        raise RequestError(
            f'The labels of "{control.from_name}" come from the task: its data needs a list of '
            f'words or of {{"value": word}} under "{control.dynamic_key}", not '
            f"{shorten(repr(items))}. It has the keys {_format_keys(task_data)}."
        )
    from_task = (
        {"value": item}
        if isinstance(item, str)
        else {k: str(v) for k, v in item.items() if isinstance(v, str | int | float)}
        for item in items
    )
    labels = unique_labels([*(label.attrs for label in control.labels), *from_task])
    if not labels:
        raise RequestError(f'The task\'s list of labels "{control.dynamic_key}" is empty.')
    return labels


def resolve_value(value: str, task_data: Mapping[str, Any]) -> Any:
    """The part of the data that $path names, or the text with its variables replaced.

    None if the data lacks one of them.
    """
    if value.startswith("$"):
        found = _lookup_path(task_data, value[1:])
        if found is not None or VARIABLE.fullmatch(value):
            return found
    parts = {key: _lookup_path(task_data, key) for key in _variables(value)}
    if not all(isinstance(part, str | int | float) and part != "" for part in parts.values()):
        return None
    return VARIABLE.sub(lambda variable: str(parts[variable[0][1:]]), value)


def _variables(value: str) -> Iterator[str]:
    return (variable[1:] for variable in VARIABLE.findall(value))


def _lookup_path(data: Any, path: str) -> Any:
    """The value that Label Studio resolves $path to: of this very key, else by `.` and `[]`."""
    if isinstance(data, Mapping) and path in data:
        return data[path]
    for part in re.findall(r"[^.\[\]]+", path):
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, list) and re.fullmatch(r"\d{1,9}", part) and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data


def _format_keys(data: Mapping[str, Any]) -> str:
    return shorten(", ".join(map(str, data))) or "(none)"

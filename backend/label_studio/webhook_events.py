"""Label Studio's webhook events: which ones are handled, their required keys, their annotations."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from backend.errors import RequestError

# ANNOTATIONS_CREATED has lists under singular keys. A single deletion is sent as a list, too.
REQUIRED_KEYS: dict[str, tuple[str, ...]] = {
    "ANNOTATION_CREATED": ("annotation", "task"),
    "ANNOTATION_UPDATED": ("annotation", "task"),
    "ANNOTATIONS_CREATED": ("annotation", "task"),
    "ANNOTATIONS_DELETED": ("annotations",),
    "TASKS_DELETED": ("tasks",),
    "PROJECT_UPDATED": (),
    "START_TRAINING": (),
}

log = logging.getLogger(__name__)

DELETIONS = ("ANNOTATIONS_DELETED", "TASKS_DELETED")
# A key of events that Label Studio did not send: of annotations that were read from its API.
READ_LATER = "read_later"


@dataclass(frozen=True)
class Annotation:
    """One annotation of an event, with the data of its task."""

    id: str
    task_id: str
    task_data: Mapping[str, Any]
    result: tuple[Mapping[str, Any], ...]
    updated_us: int  # Label Studio's updated_at, microseconds since 1970
    was_cancelled: bool  # skipped
    from_prediction: bool  # a person edited or accepted a prediction
    is_bulk: bool  # made of predictions by a bulk action, without a check of each
    was_read_later: bool  # by the API: nobody has just answered to what is shown


def is_handled(event: Mapping[str, Any]) -> bool:
    """Whether the queue should process an event; False for unknown actions.

    Raises RequestError for an event of a known action without its required keys.
    """
    action = event.get("action")
    if not isinstance(action, str):
        raise RequestError('/webhook needs "action", the name of a Label Studio event.')
    if action not in REQUIRED_KEYS:
        return False
    if not has_id(event.get("project")):
        raise RequestError(f'{action} needs "project", an object with an "id".')
    for key in REQUIRED_KEYS[action]:
        items = event.get(key)
        items = items if isinstance(items, list) else [items]
        if not all(has_id(item) for item in items):
            raise RequestError(f'{action} needs "{key}": one object with an "id", or a list.')
    return True


def has_id(item: Any) -> bool:
    """Whether it is an object with an "id" that is text or a number."""
    return isinstance(item, Mapping) and type(item.get("id")) in (str, int, float)


class Identified(BaseModel):
    """An object that Label Studio knows by its `id`."""

    id: str | float


def event_models() -> dict[str, type[BaseModel]]:
    """The model of each handled event, by its action: which keys `is_handled` wants."""
    named = Annotated[Identified | list[Identified], Field(description="one, or a list")]

    def model_of(action: str, keys: tuple[str, ...]) -> type[BaseModel]:
        fields: dict[str, Any] = {
            "action": (Literal[action], ...),
            "project": (Identified, ...),
            **dict.fromkeys(keys, (named, ...)),
        }
        return create_model(action.title().replace("_", ""), **fields)

    return {action: model_of(action, keys) for action, keys in REQUIRED_KEYS.items()}


def project_key(project: Mapping[str, Any]) -> str:
    """The project's name in /setup and /predict: `"<id>.<second of its creation>"`."""
    try:
        return f"{project['id']}.{int(parse_time_us(project['created_at']) / 1e6)}"
    except (KeyError, ValueError):
        return str(project["id"])


def event_project(event: Mapping[str, Any]) -> str:
    """`project_key` of the event's project; "?" if it names none."""
    project = event.get("project")
    return project_key(project) if isinstance(project, Mapping) and "id" in project else "?"


def describe_project(event: Mapping[str, Any]) -> str:
    project = event.get("project")
    return f"project {project.get('id') if isinstance(project, Mapping) else '?'}"


def describe_event(event: Mapping[str, Any]) -> str:
    """Project, annotations and tasks of an event, for the log: "project 1, annotation 7"."""
    parts = [describe_project(event)]
    for key in ("annotation", "annotations", "tasks"):
        items = event.get(key)
        items = items if isinstance(items, list) else [items]
        ids = [item.get("id") for item in items if isinstance(item, Mapping)]
        if ids:
            parts.append(f"{key} {', '.join(map(str, ids[:5]))}{' …' if len(ids) > 5 else ''}")
    return ", ".join(parts)


def raw_annotations(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The annotations of an ANNOTATION(S)_CREATED or _UPDATED, as they were sent."""
    return _as_list(event["annotation"])


def read_annotation(raw: Mapping[str, Any], event: Mapping[str, Any]) -> Annotation:
    """One of an event's `raw_annotations`, with the data of its task. Raises RequestError.

    Items of its result that are no objects are skipped.
    """
    task = _task_of(raw, event)
    if task is None or not isinstance(task.get("data"), Mapping):
        raise RequestError(f"Annotation {raw['id']} comes without its task's data.")
    result = raw.get("result") or []
    if not isinstance(result, list):
        raise RequestError(f'"result" of annotation {raw["id"]} must be a list of objects.')
    regions = tuple(item for item in result if isinstance(item, Mapping))
    if len(regions) < len(result):
        log.warning("annotation %s: %d items are no objects", raw["id"], len(result) - len(regions))
    try:
        updated_us = parse_time_us(raw["updated_at"])
    except (KeyError, ValueError) as error:
        raise RequestError(f'Annotation {raw["id"]} needs "updated_at", a time.') from error
    return Annotation(
        id=str(raw["id"]),
        task_id=str(task["id"]),
        task_data=task["data"],
        result=regions,
        updated_us=updated_us,
        was_cancelled=bool(raw.get("was_cancelled")),
        from_prediction=raw.get("parent_prediction") is not None,
        is_bulk=isinstance(event["annotation"], list),
        was_read_later=event.get(READ_LATER) is True,
    )


def describe_annotation(raw: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """For the log: "annotation 7 of task 5"."""
    task = _task_of(raw, event)
    return f"annotation {raw['id']}" + (f" of task {task['id']}" if task else "")


def event_of(raw: Mapping[str, Any], event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The event with this one of its `raw_annotations` alone."""
    if not isinstance(event["annotation"], list):
        return event
    return {**event, "annotation": [raw], "task": [task] if (task := _task_of(raw, event)) else []}


def _task_of(raw: Mapping[str, Any], event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    tasks = _as_list(event["task"])
    by_id = {str(task["id"]): task for task in tasks}
    return tasks[0] if len(tasks) == 1 else by_id.get(str(raw.get("task")))


def parse_time_us(text: Any) -> int:
    """Microseconds since 1970 of an ISO 8601 time with its zone. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"no time: {text!r:.40}")
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"a time without its zone: {text:.40}")
    seconds = moment.replace(microsecond=0).timestamp()
    return int(seconds) * 1_000_000 + moment.microsecond


def _as_list(item: Any) -> list[Any]:
    return item if isinstance(item, list) else [item]

"""The annotated tasks of a project: from Label Studio's API, or from a JSON export of it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import LabelStudioError, RequestError, SettingsError
from backend.label_studio.answers import NotFound
from backend.label_studio.client import LabelStudio
from backend.label_studio.webhook_events import Annotation, read_annotation

PAGE_TASKS = 10  # asked for at once: with their masks and predictions a few megabytes
IS_ANNOTATED = {
    "filters": {
        "conjunction": "and",
        "items": [
            {
                "filter": "filter:tasks:total_annotations",
                "operator": "greater",
                "type": "Number",
                "value": 0,
            }
        ],
    }
}
EXPORT_HINT = 'choose the format "JSON" in Label Studio, Export'


@dataclass(frozen=True)
class AnnotatedTask:
    id: Any
    data: Mapping[str, Any]
    annotations: tuple[Annotation, ...]  # all teach; predictions are compared with the first


def get_project(studio: LabelStudio, number: int) -> Mapping[str, Any]:
    """The project as Label Studio describes it. Raises SettingsError or LabelStudioError."""
    try:
        project = studio.get_json(f"/api/projects/{number}/")
    except NotFound as error:
        raise SettingsError(
            f"Label Studio at {studio.shown_url} has no project {number}, or its token may not "
            "see it."
        ) from error
    if not isinstance(project, Mapping) or "id" not in project:
        raise LabelStudioError(f"Label Studio describes project {number} in no known form.")
    return project


def list_annotated(studio: LabelStudio, number: int) -> Iterator[Mapping[str, Any]]:
    """The project's tasks with annotations, as they are stored. Raises LabelStudioError."""
    query = {
        "project": number, "fields": "all", "resolve_uri": "false", "page_size": PAGE_TASKS,
        "query": json.dumps(IS_ANNOTATED),
    }  # fmt: skip
    n_read, total, page = 0, 1, 0
    while n_read < total:
        page += 1
        answer = studio.get_json("/api/tasks", query | {"page": page})
        try:
            tasks, total = list(answer["tasks"]), int(answer["total"])
        except (KeyError, TypeError, ValueError) as error:
            raise LabelStudioError(
                f"Label Studio lists the tasks of project {number} in no known form "
                f"({type(error).__name__}: {error})."
            ) from error
        if not tasks:  # some were deleted meanwhile
            return
        n_read += len(tasks)
        yield from tasks


def read_export(path: Path) -> list[Mapping[str, Any]]:
    """The tasks of a JSON export. Raises SettingsError."""
    try:
        tasks = json.loads(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"--export {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"--export {path} is no JSON ({error}): {EXPORT_HINT}.") from error
    is_export = isinstance(tasks, list) and all(
        isinstance(task, Mapping) and isinstance(task.get("annotations"), list) for task in tasks
    )
    if not is_export:
        raise SettingsError(
            f"--export {path} is no list of tasks with their annotations, as JSON-MIN, COCO and "
            f"others are not: {EXPORT_HINT}."
        )
    return list(tasks)


def read_annotated(
    raw_tasks: Iterable[Mapping[str, Any]],
) -> tuple[list[AnnotatedTask], dict[str, str]]:
    """The tasks that were annotated and not only skipped, and why others cannot be read, by task.

    The first annotation is the ground truth where one is marked, else the newest.
    """
    found: list[AnnotatedTask] = []
    failures: dict[str, str] = {}
    for number, task in enumerate(raw_tasks, 1):
        task_id = task.get("id", f"number {number}")
        try:
            raw = [one for one in task.get("annotations") or [] if isinstance(one, Mapping)]
            counted = [one for one in raw if not one.get("was_cancelled")]
            if not counted:
                continue
            known = [(is_ground_truth(one), _read(one, task, task_id)) for one in counted]
        except RequestError as error:
            failures[str(task_id)] = str(error)
            continue
        known.sort(key=lambda pair: (pair[0], pair[1].updated_us), reverse=True)
        annotations = tuple(annotation for _, annotation in known)
        found.append(AnnotatedTask(task_id, annotations[0].task_data, annotations))
    return found, failures


def is_ground_truth(raw: Mapping[str, Any]) -> bool:
    return bool(raw.get("ground_truth"))


def _read(raw: Mapping[str, Any], task: Mapping[str, Any], task_id: Any) -> Annotation:
    """An annotation of an export; one that was written by hand may lack its id and time."""
    default = {"id": f"of task {task_id}", "updated_at": "1970-01-01T00:00:00Z"}
    event = {"annotation": raw, "task": {**task, "id": task_id}}
    return read_annotation(default | dict(raw), event)

"""Events of annotations that were read from Label Studio's API, as it would have sent them.

They hold what is learned from, and no more: neither the project's token nor who annotated.
"""

from collections.abc import Mapping
from typing import Any

from backend.label_studio.webhook_events import READ_LATER

PROJECT_KEYS = (
    "id", "title", "created_at", "label_config", "task_data_login", "task_data_password",
)  # fmt: skip
ANNOTATION_KEYS = ("id", "task", "result", "updated_at", "was_cancelled", "parent_prediction")


def event_project_of(described: Mapping[str, Any]) -> dict[str, Any]:
    """The project of an event. `described`: as the API describes it."""
    return {key: described.get(key) for key in PROJECT_KEYS}


def later_event(
    project: Mapping[str, Any], task: Mapping[str, Any], raw: Mapping[str, Any]
) -> dict[str, Any]:
    """The event of one annotation of a task; one accepted in bulk is sent in lists."""
    annotation = {key: raw[key] for key in ANNOTATION_KEYS if key in raw}
    shown = {"id": task.get("id"), "data": task.get("data")}
    event = {"project": project, READ_LATER: True}
    if is_bulk(raw):
        bulk = {"action": "ANNOTATIONS_CREATED", "annotation": [annotation], "task": [shown]}
        return event | bulk
    return event | {"action": "ANNOTATION_UPDATED", "annotation": annotation, "task": shown}


def is_bulk(raw: Mapping[str, Any]) -> bool:
    """Whether predictions were made annotations by Label Studio's bulk action, unchecked.

    It takes no time for one, while the labeling page sends how long each took (1.23.2).
    """
    return raw.get("parent_prediction") is not None and raw.get("lead_time") is None

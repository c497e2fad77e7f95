"""Label Studio's webhook events: which of them matter to us, and what each must carry."""

from collections.abc import Mapping
from typing import Any

from backend.errors import RequestError

# ANNOTATIONS_CREATED has lists under its singular keys; a delete has ids only, even a single one.
NEEDS: dict[str, tuple[str, ...]] = {
    "ANNOTATION_CREATED": ("annotation", "task"),
    "ANNOTATION_UPDATED": ("annotation", "task"),
    "ANNOTATIONS_CREATED": ("annotation", "task"),
    "ANNOTATIONS_DELETED": ("annotations",),
    "TASKS_DELETED": ("tasks",),
    "PROJECT_UPDATED": (),
    "START_TRAINING": (),
}


def matters(event: Mapping[str, Any]) -> bool:
    """Whether an event is to be worked off; RequestError where it is not what it says it is.

    Events that we do not know, such as those of later versions, are no error.
    """
    action = event.get("action")
    if not isinstance(action, str):
        raise RequestError('/webhook needs "action", the name of a Label Studio event.')
    if action not in NEEDS:
        return False
    if not isinstance(event.get("project"), Mapping) or "id" not in event["project"]:
        raise RequestError(f'{action} needs "project", an object with an "id".')
    for key in NEEDS[action]:
        items = event.get(key)
        items = items if isinstance(items, list) else [items]
        if not all(isinstance(item, Mapping) and "id" in item for item in items):
            raise RequestError(f'{action} needs "{key}": one object with an "id", or a list.')
    return True

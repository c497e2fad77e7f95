"""What becomes of tasks that a request did not reach within its time."""

from collections.abc import Sequence
from typing import Any, Protocol

from backend.prediction.prediction_items import IN_BACKGROUND, PredictionItem, is_late, task_id_of


class Background(Protocol):
    """Predicts tasks later, and stores the predictions in Label Studio itself."""

    def is_at_work_on(self, project: str, task_id: Any) -> bool: ...

    def take(self, project: str, task_ids: Sequence[Any]) -> bool:
        """Whether these tasks go on; if not, Label Studio has to ask for them again."""
        ...


def in_background_item(version: str) -> PredictionItem:
    """Of a task that the background is at work on already, so that nothing is done twice."""
    message = "In work in the background already: Label Studio gets its prediction when it is made."
    return {"error": {"code": IN_BACKGROUND, "message": message}, "model_version": version}


def go_on_with_late_tasks(
    project: str,
    tasks: Sequence[Any],
    items: Sequence[PredictionItem],
    background: Background | None,
) -> None:
    """Have the tasks of a request that were not reached go on in the background, if it can be.

    Their items say so, or how to ask again, and how many were done: Label Studio shows its users
    nothing of it, and its API says of all of them that they were retrieved.
    """
    late = [number for number, item in enumerate(items) if is_late(item)]
    if not late or len(items) == 1:
        return
    done = f"{sum('result' in item for item in items)} of {len(items)} tasks done"
    task_ids = [task_id_of(tasks[number]) for number in late]
    if background is not None and background.take(project, task_ids):
        message = (
            f"{done}; {len(late)} continue in the background: Label Studio gets each prediction "
            "when it is made."
        )
        for number in late:
            items[number]["error"] = {"code": IN_BACKGROUND, "message": message}
        return
    number_of_project = project.partition(".")[0]
    prelabel = f"python -m backend prelabel --project {number_of_project}"
    command = f", or run {prelabel}" if number_of_project else ""
    for number in late:
        error = items[number]["error"]
        error["message"] = f"{done}; choose Retrieve Predictions again{command}. {error['message']}"

"""The items of a /predict's response, one for each task, and a log line per kind of error."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from backend.errors import FirstpassError, Overloaded
from backend.metrics import Metrics
from backend.recent_failures import RecentFailures
from model import ModelError

PredictionItem = dict[str, Any]

log = logging.getLogger(__name__)


def prediction_item(regions: Sequence[Mapping[str, Any]], version: str) -> PredictionItem:
    return {"result": list(regions), "score": task_score(regions), "model_version": version}


def error_item(task: Any, error: Exception, version: str, metrics: Metrics) -> PredictionItem:
    """An item without "result", counted in the metrics. Its message contains no internals."""
    if isinstance(error, FirstpassError):
        code, message = error.code, str(error)
    elif isinstance(error, ModelError):
        code, message = "model", str(error)
    else:
        code, message = "internal", "An unexpected error: the server's log has the details."
        log.error("task %s: unexpected error", task_id_of(task), exc_info=error)
    metrics.tasks.labels("failed").inc()
    metrics.failures.labels(code).inc()
    return {"error": {"code": code, "message": message}, "model_version": version}


def report_failures(
    project: str,
    tasks: Sequence[Any],
    items: Sequence[Mapping[str, Any]],
    failures: RecentFailures,
) -> None:
    """Note the failed items for /ready, and log one line for each error code."""
    kinds: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        if "error" in item:
            kinds.setdefault(item["error"]["code"], []).append(index)
    for code, indices in kinds.items():
        task, message = task_id_of(tasks[indices[0]]), items[indices[0]]["error"]["message"]
        failures.add(project, "predict", code, message, task=task, count=len(indices))
        log.warning("%s", failure_line(project, task, code, message, len(indices), len(items)))


def failure_line(
    project: str, task: Any, code: str, message: str, n_failed: int, n_tasks: int
) -> str:
    """A sentence on the tasks of one request that failed for one reason; `task` is the first."""
    if code == Overloaded.code and n_tasks > 1:
        return (
            f"project {project}: {n_failed} of {n_tasks} tasks were not answered, and are without "
            f"predictions until Label Studio asks for them again: {message}"
        )
    others = f" ({n_failed - 1} more tasks failed likewise)" if n_failed > 1 else ""
    return f"project {project}, task {task}: {message}{others}"


def task_id_of(task: Any) -> Any:
    return task.get("id") if isinstance(task, Mapping) else None


def task_score(regions: Sequence[Mapping[str, Any]]) -> float:
    """Mean score of the regions, 0 to 1; 0 if there is none."""
    scores = {region["id"]: region["score"] for region in regions if "score" in region}
    return round(sum(scores.values()) / len(scores), 4) if scores else 0.0

"""The items of a /predict's response, one for each task, and a log line per kind of error."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from backend.errors import FirstpassError
from backend.metrics import Metrics
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


def log_failures(tasks: Sequence[Any], prediction_items: Sequence[Mapping[str, Any]]) -> None:
    """Log one line for each error code, with the first task and the number of others."""
    kinds: dict[str, list[int]] = {}
    for index, item in enumerate(prediction_items):
        if "error" in item:
            kinds.setdefault(item["error"]["code"], []).append(index)
    for code, indices in kinds.items():
        first = indices[0]
        others = f" (and {len(indices) - 1} more: {code})" if len(indices) > 1 else ""
        log.warning(
            "task %s: %s%s",
            task_id_of(tasks[first]),
            prediction_items[first]["error"]["message"],
            others,
        )


def task_id_of(task: Any) -> Any:
    return task.get("id") if isinstance(task, Mapping) else None


def task_score(regions: Sequence[Mapping[str, Any]]) -> float:
    """Mean score of the regions, 0 to 1; 0 if there is none."""
    scores = {region["id"]: region["score"] for region in regions if "score" in region}
    return round(sum(scores.values()) / len(scores), 4) if scores else 0.0

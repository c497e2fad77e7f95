"""The items of a /predict's response, one for each task, and a log line per kind of error."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.errors import FirstpassError
from backend.metrics import Metrics
from backend.prediction.task_targets import PartFailure
from model import ModelError

PredictionItem = dict[str, Any]

PARTIAL_PREFIX = "partial-"  # of the version of an item that lacks a part of its task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PaintedTask:
    regions: list[dict[str, Any]] = field(default_factory=list)
    failures: list[PartFailure] = field(default_factory=list)  # of pages, images and controls


def prediction_item(regions: Sequence[Mapping[str, Any]], version: str) -> PredictionItem:
    return {"result": list(regions), "score": task_score(regions), "model_version": version}


def error_item(task: Any, error: Exception, version: str, metrics: Metrics) -> PredictionItem:
    """An item without "result", counted in the metrics. Its message contains no internals."""
    metrics.tasks.labels("failed").inc()
    return {"error": _describe_error(task, error, metrics), "model_version": version}


def partial_item(task: Any, painted: PaintedTask, version: str, metrics: Metrics) -> PredictionItem:
    """An item with the regions that could be made, and with the error of what could not.

    Its version is another one, so that Label Studio, which asks for tasks without a prediction of
    the current version, asks again as for a failed task. If it has these regions already, the item
    has no "result", for Label Studio would store them once more each time.
    """
    metrics.tasks.labels("partial").inc()
    item = prediction_item(painted.regions, PARTIAL_PREFIX + version)
    errors = [_describe_error(task, failure.error, metrics) for failure in painted.failures]
    message = f"{painted.failures[0].where}: {errors[0]['message']}"
    others = f" (and {len(errors) - 1} more of this task)" if len(errors) > 1 else ""
    item["error"] = {"code": errors[0]["code"], "message": f"Answered in part. {message}{others}"}
    if _has_prediction_like(task, item):
        del item["result"], item["score"]
    return item


def _has_prediction_like(task: Mapping[str, Any], item: PredictionItem) -> bool:
    """Whether Label Studio sent a prediction of this version with these regions with the task."""
    known = task.get("predictions")
    return any(
        isinstance(one, Mapping)
        and one.get("model_version") == item["model_version"]
        and _region_ids(one.get("result")) == _region_ids(item["result"])
        for one in (known if isinstance(known, list) else [])
    )


def _region_ids(result: Any) -> list[str]:
    items = result if isinstance(result, list) else []
    return sorted(str(item.get("id")) for item in items if isinstance(item, Mapping))


def _describe_error(task: Any, error: Exception, metrics: Metrics) -> dict[str, str]:
    """Code and message, counted; the log gets the details of an unexpected error."""
    if isinstance(error, FirstpassError):
        code, message = error.code, str(error)
    elif isinstance(error, ModelError):
        code, message = "model", str(error)
    else:
        code, message = "internal", "An unexpected error: the server's log has the details."
        log.error("task %s: unexpected error", task_id_of(task), exc_info=error)
    metrics.failures.labels(code).inc()
    return {"code": code, "message": message}


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

"""The items of a /predict's response, one for each task, and a log line per kind of error."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.errors import Overloaded
from backend.metrics import Metrics
from backend.prediction.task_targets import PartFailure
from backend.recent_failures import RecentFailures, error_code, explained

PredictionItem = dict[str, Any]

IN_BACKGROUND = "in_background"  # code of an item whose task goes on without its request
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
    error = explained(error)
    code, message = error_code(error), str(error)
    if code == "internal":
        message = "An unexpected error: the server's log has the details."
        log.error("task %s: unexpected error", task_id_of(task), exc_info=error)
    metrics.failures.labels(code).inc()
    return {"code": code, "message": message}


def is_late(item: Mapping[str, Any]) -> bool:
    """Whether a task failed for want of time or room alone, so that it can be asked for again."""
    is_partial = item["model_version"].startswith(PARTIAL_PREFIX)
    return not is_partial and item.get("error", {}).get("code") == Overloaded.code


def report_failures(
    project: str,
    tasks: Sequence[Any],
    items: Sequence[Mapping[str, Any]],
    failures: RecentFailures,
) -> None:
    """Note failed items, and those answered in part, for /ready; log a line for each error code."""
    kinds: dict[tuple[str, bool], list[int]] = {}
    for index, item in enumerate(items):
        if "error" in item:
            is_partial = item["model_version"].startswith(PARTIAL_PREFIX)
            kinds.setdefault((item["error"]["code"], is_partial), []).append(index)
    for (code, _), indices in kinds.items():
        task, message = task_id_of(tasks[indices[0]]), items[indices[0]]["error"]["message"]
        if code == IN_BACKGROUND:  # which notes what fails there
            log.info("%s%s", f"project {project}: " if project else "", message)
            continue
        failures.add(project, "predict", code, message, task=task, count=len(indices))
        if is_late(items[indices[0]]) and len(items) > 1:
            log.warning("%s%s", f"project {project}: " if project else "", message)
        else:
            log.warning("%s", failure_line(project, task, message, len(indices)))


def failure_line(project: str, task: Any, message: str, n_failed: int) -> str:
    """A sentence on the tasks of one request that failed for one reason; `task` is the first."""
    where = f"project {project}, task {task}" if project else f"task {task}"
    others = f" ({n_failed - 1} more tasks failed likewise)" if n_failed > 1 else ""
    return f"{where}: {message}{others}"


def task_id_of(task: Any) -> Any:
    return task.get("id") if isinstance(task, Mapping) else None


def task_score(regions: Sequence[Mapping[str, Any]]) -> float:
    """Mean score of the labels, 0 to 1, of each the mean of its regions'; 0 if there is none."""
    of_labels: dict[str, list[float]] = {}
    for region in regions:
        labels = [one for key, one in region["value"].items() if key.endswith("labels")]
        if labels:  # the stroke of a Labels has none, and stands beside an item that has
            place = region["from_name"], region["to_name"], region.get("item_index"), labels
            of_labels.setdefault(json.dumps(place), []).append(region["score"])
    scores = [sum(one) / len(one) for one in of_labels.values()]
    return round(sum(scores) / len(scores), 4) if scores else 0.0

"""The answers of a /predict: one item a task, and one log line for each kind of failure."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from backend.errors import FirstpassError
from backend.metrics import Metrics
from model import ModelError

Answer = dict[str, Any]

log = logging.getLogger(__name__)


def success(regions: Sequence[Mapping[str, Any]], version: str) -> Answer:
    return {"result": list(regions), "score": task_score(regions), "model_version": version}


def failure(task: Any, error: Exception, version: str, metrics: Metrics) -> Answer:
    """An item without "result", counted; its message is what the client may see."""
    if isinstance(error, FirstpassError):
        code, message = error.code, str(error)
    elif isinstance(error, ModelError):
        code, message = "model", str(error)
    else:
        code, message = "internal", "An unexpected error: the server's log has the details."
        log.error("task %s: unexpected error", id_of(task), exc_info=error)
    metrics.tasks.labels("failed").inc()
    metrics.failures.labels(code).inc()
    return {"error": {"code": code, "message": message}, "model_version": version}


def log_failures(tasks: Sequence[Any], answers: Sequence[Mapping[str, Any]]) -> None:
    """One line for each kind of failure, not one for each of 300 tasks of a host that is down."""
    kinds: dict[str, list[int]] = {}
    for index, item in enumerate(answers):
        if "error" in item:
            kinds.setdefault(item["error"]["code"], []).append(index)
    for code, indices in kinds.items():
        first = indices[0]
        others = f" (and {len(indices) - 1} more: {code})" if len(indices) > 1 else ""
        log.warning(
            "task %s: %s%s", id_of(tasks[first]), answers[first]["error"]["message"], others
        )


def id_of(task: Any) -> Any:
    return task.get("id") if isinstance(task, Mapping) else None


def task_score(regions: Sequence[Mapping[str, Any]]) -> float:
    """Mean of the regions' scores, 0 where there is none."""
    scores = {region["id"]: region["score"] for region in regions if "score" in region}
    return round(sum(scores.values()) / len(scores), 4) if scores else 0.0


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

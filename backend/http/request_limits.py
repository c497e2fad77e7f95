"""Limits on what one request may bring, beside its bytes: each says what was given and the cure."""

from collections.abc import Mapping
from typing import Any

from backend.errors import RequestTooLarge

# More than any machine predicts within PREDICT_BUDGET_S, at a few hundred bytes of answer each.
MAX_TASKS = 20_000


def check_number_of_tasks(body: Mapping[str, Any]) -> None:
    """Raise RequestTooLarge for more than MAX_TASKS."""
    tasks = body.get("tasks")
    if isinstance(tasks, list) and len(tasks) > MAX_TASKS:
        raise RequestTooLarge(
            f"The request has {len(tasks)} tasks; {MAX_TASKS} are taken at once: select fewer "
            "tasks in the Data Manager, one part after the other."
        )

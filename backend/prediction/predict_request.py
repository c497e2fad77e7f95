"""A /predict with all settings resolved, and the target of one prediction in a task."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import OutOfTime
from backend.label_studio.controls import Control, LabelSpec
from backend.label_studio.smart_prompts import Prompt
from backend.prediction.project_context import ProjectContext
from model import Memory


@dataclass(frozen=True)
class PredictRequest:
    project: ProjectContext
    controls: tuple[Control, ...]
    prompts: tuple[Prompt, ...]  # clicks and boxes of a smart tool; empty: segment every label
    memories: Mapping[str, Memory]  # predictors from lessons, by from_name of the control
    auth: tuple[str, str] | None  # user and password of the project's image host
    deadline_s: float  # on time.monotonic()
    budget_s: float  # from the start of the request to the deadline

    @property
    def left_s(self) -> float:
        return max(self.deadline_s - time.monotonic(), 0.0)

    def check_time(self) -> None:
        """Raise OutOfTime after the deadline."""
        if time.monotonic() > self.deadline_s:
            raise self.out_of_time()

    def out_of_time(self) -> OutOfTime:
        return OutOfTime(
            f"Not answered within {self.budget_s:g} s, the time for one request "
            "(PREDICT_BUDGET_S): ask for this task again, or for fewer tasks at once."
        )


@dataclass(frozen=True)
class MaskTarget:
    """What a mask is for: a control with its labels, on one page of a task."""

    task_id: Any
    control: Control
    labels: Sequence[LabelSpec]
    page: int

    def region_id(self, *what: str) -> str:
        """10 hex digits, equal for equal target and `what`: the label, and the id of a prompt."""
        name = "|".join([f"{self.task_id}|{self.control.from_name}|{self.page}", *what])
        return hashlib.sha256(name.encode()).hexdigest()[:10]

    @property
    def item_index(self) -> int | None:
        return self.page if self.control.is_value_list else None

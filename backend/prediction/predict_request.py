"""One /predict as the annotator works on it: every choice resolved, nothing looked up again."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import Overloaded
from backend.label_studio.controls import Control, LabelSpec
from backend.label_studio.smart_prompts import Prompt
from backend.prediction.answers import digest
from backend.prediction.project_context import ProjectContext
from model import Memory


@dataclass(frozen=True)
class PredictRequest:
    project: ProjectContext
    controls: tuple[Control, ...]
    prompts: tuple[Prompt, ...]  # clicks and boxes of a smart tool; empty: paint every label
    memories: Mapping[str, Memory]  # what was learnt, by control
    auth: tuple[str, str] | None  # user and password of the project's image host
    deadline_s: float  # on time.monotonic()
    budget_s: float  # that the deadline was made of

    @property
    def left_s(self) -> float:
        return max(self.deadline_s - time.monotonic(), 0.0)

    def check_time(self) -> None:
        """Raise Overloaded when the budget is used up."""
        if time.monotonic() > self.deadline_s:
            raise Overloaded(
                f"Not begun within {self.budget_s:g} s (PREDICT_BUDGET_S): "
                "ask for this task again, or for fewer tasks at once."
            )


@dataclass(frozen=True)
class Place:
    """Where in a task a control paints."""

    task_id: Any
    control: Control
    labels: Sequence[LabelSpec]
    page: int

    def region_id(self, *what: str) -> str:
        """The same for the same place, label and prompt, so that people see what has changed."""
        name = "|".join([f"{self.task_id}|{self.control.from_name}|{self.page}", *what])
        return digest(name.encode())[:10]

    @property
    def item_index(self) -> int | None:
        return self.page if self.control.is_value_list else None

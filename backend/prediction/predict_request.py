"""A /predict with all settings resolved."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from backend.errors import OutOfTime
from backend.label_studio.controls import Control
from backend.label_studio.smart_prompts import Prompt
from backend.memory.agreement import ShownBy
from backend.prediction.project_context import ProjectContext
from model import Memory, PromptConfig


@dataclass(frozen=True)
class PredictRequest:
    project: ProjectContext
    controls: tuple[Control, ...]
    prompts: tuple[Prompt, ...] | None  # clicks and boxes of a smart tool; None: every label
    shown_by: ShownBy  # the versions of its predictions
    memories: Mapping[str, Memory]  # predictors from lessons, by lesson_name of the control
    auth: tuple[str, str] | None  # user and password of the project's image host
    deadline_s: float  # on time.monotonic()
    budget_s: float  # from the start of the request to the deadline
    is_background: bool = False  # nobody waits for it: it comes after all others

    @property
    def left_s(self) -> float:
        return max(self.deadline_s - time.monotonic(), 0.0)

    @property
    def prompt_config(self) -> PromptConfig:
        return self.project.method.decision.prompts

    def check_time(self) -> None:
        """Raise OutOfTime after the deadline."""
        if time.monotonic() > self.deadline_s:
            raise self.out_of_time()

    def out_of_time(self) -> OutOfTime:
        return OutOfTime(
            f"Not answered within {self.budget_s:g} s, the time for one request "
            "(PREDICT_BUDGET_S): ask for this task again, or for fewer tasks at once."
        )

"""What a request asks of one image: shared by those who predict and those who learn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.label_studio.controls import Control, LabelSpec
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.smart_prompts import Prompt
from backend.memory.active_version import Learnt
from backend.prediction.answers import digest
from model import SegmentSettings


@dataclass(frozen=True)
class Question:
    """What one /predict asks, beside its tasks."""

    controls: tuple[Control, ...]
    project: ProjectSettings
    project_id: str  # as Label Studio names it: id and second of creation
    settings: SegmentSettings
    learnt: Learnt
    prompts: tuple[Prompt, ...]  # clicks and boxes of a smart tool; empty: paint every label
    auth: tuple[str, str] | None  # user and password of the project's image host
    deadline: float  # time.monotonic() seconds


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

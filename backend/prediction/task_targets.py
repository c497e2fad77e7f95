"""What masks of a task are for: each control with its labels, on each page of its images."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import NoImage, RequestError
from backend.label_studio.controls import Control, LabelSpec
from backend.label_studio.task_data import TaskImage, labels_for, repeat_control, task_images
from backend.memory.predicted_masks import MaskPlace

MAX_TARGETS = 10_000  # of one task


class TooManyTargets(RequestError):
    """The task has more than MAX_TARGETS."""

    def __init__(self) -> None:
        super().__init__(
            f"The task's pages times the controls on them are more than {MAX_TARGETS}: divide its "
            "list of pages among several tasks."
        )


@dataclass(frozen=True)
class MaskTarget:
    """A control with its labels, on one page of a task."""

    task_id: Any
    control: Control
    labels: Sequence[LabelSpec]
    image: TaskImage

    @property
    def place(self) -> MaskPlace:
        return MaskPlace(self.control.from_name, self.control.to_name, self.image.page)

    def region_id(self, *what: str) -> str:
        """10 hex digits, equal for equal target and `what`: the label, and the id of a prompt."""
        name = json.dumps([str(self.task_id), self.place.key, *what])
        return hashlib.sha256(name.encode()).hexdigest()[:10]

    def describe(self) -> str:
        """The image as people count: `image "photo", page 2`."""
        image = f'image "{self.control.to_name}"'
        return f"{image}, page {self.image.page + 1}" if self.control.is_value_list else image

    @property
    def item_index(self) -> int | None:
        return self.image.page if self.control.is_value_list else None


@dataclass(frozen=True)
class PartFailure:
    where: str  # `image "photo", page 2`
    error: Exception


def read_targets(
    controls: Sequence[Control],
    task_id: Any,
    task_data: Mapping[str, Any],
    check_time: Callable[[], None] = lambda: None,
) -> tuple[list[MaskTarget], list[PartFailure]]:
    """The targets of one task, and which controls failed.

    An image that the task does not have is no failure, unless it has none at all: the error is
    raised then, as it is if each control failed. So is what `check_time` raises, which is called
    for each control; and RequestError for more than MAX_TARGETS.
    """
    targets: list[MaskTarget] = []
    failures: list[PartFailure] = []
    absences: list[NoImage] = []
    n_controls = 0
    for template in controls:
        try:
            for control in repeat_control(template, task_data):
                check_time()
                n_controls += 1
                if max(n_controls, len(targets)) > MAX_TARGETS:
                    raise TooManyTargets
                try:
                    images, labels = task_images(control, task_data), labels_for(control, task_data)
                    targets += [MaskTarget(task_id, control, labels, image) for image in images]
                except NoImage as error:
                    absences.append(error)
                except RequestError as error:
                    failures.append(PartFailure(f'control "{control.from_name}"', error))
        except NoImage as error:
            absences.append(error)
        except TooManyTargets:
            raise
        except RequestError as error:
            failures.append(PartFailure(f'control "{template.from_name}"', error))
    if len(targets) > MAX_TARGETS:
        raise TooManyTargets
    if not targets and (failures or absences):
        raise failures[0].error if failures else absences[0]
    return targets, failures

"""What masks of a task are for: each control with its labels, on each page of its images."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import NoImage, RequestError
from backend.label_studio.controls import Control, LabelSpec
from backend.label_studio.task_data import TaskImage, labels_for, repeat_control, task_images
from backend.memory.predicted_masks import MaskPlace


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
    controls: Sequence[Control], task_id: Any, task_data: Mapping[str, Any]
) -> tuple[list[MaskTarget], list[PartFailure]]:
    """The targets of one task, and which controls failed.

    An image that the task does not have is no failure, unless it has none at all: the error is
    raised then, as it is if each control failed.
    """
    targets: list[MaskTarget] = []
    failures: list[PartFailure] = []
    absences: list[NoImage] = []
    for template in controls:
        try:
            repeated = repeat_control(template, task_data)
        except NoImage as error:
            absences.append(error)
            continue
        except RequestError as error:
            failures.append(PartFailure(f'control "{template.from_name}"', error))
            continue
        for control in repeated:
            try:
                images, labels = task_images(control, task_data), labels_for(control, task_data)
                targets += [MaskTarget(task_id, control, labels, image) for image in images]
            except NoImage as error:
                absences.append(error)
            except RequestError as error:
                failures.append(PartFailure(f'control "{control.from_name}"', error))
    if not targets and (failures or absences):
        raise failures[0].error if failures else absences[0]
    return targets, failures

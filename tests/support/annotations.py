"""Webhook events of annotations, and what a project has learned from them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.learning.worker import LearningWorker
from backend.masks.regions import encode_regions
from tests.support.label_configs import CAT_ALIAS_DOG_CONFIG

CONFIG = CAT_ALIAS_DOG_CONFIG
PROJECT = {"id": 1, "created_at": "1970-01-01T00:01:40.500000Z", "label_config": CONFIG}
KEY = "1.100"  # of this project in /setup and /predict
# Without negatives every pixel has one of the labels, whatever the weights, however unsure.
EVERY_PIXEL = ProjectSettings(auto_negatives=False, min_region_px=1, min_score=0.0)
TRAIN = {"action": "START_TRAINING", "project": PROJECT}


def region(label: str, mask: NDArray[np.bool_], **more: Any) -> dict[str, Any]:
    """A brush region of the label with this name."""
    (control,) = read_controls(CONFIG)
    spec = next(one for one in control.labels if one.name == label)
    (item,) = encode_regions(control, spec, mask, 0.5, region_id=f"r-{label}")
    return item | more


def rectangle(label: str = "Dog", size_percent: float = 100) -> dict[str, Any]:
    """A rectangle from the upper left corner of an image of 64 x 48 pixels."""
    size = {"width": size_percent, "height": size_percent}
    return {
        "type": "rectanglelabels", "from_name": "rect", "to_name": "image", "id": "r",
        "original_width": 64, "original_height": 48,
        "value": {"x": 0, "y": 0, **size, "rectanglelabels": [label]},
    }  # fmt: skip


def deletion(*annotations: int) -> dict[str, Any]:
    ids = [{"id": n} for n in annotations]
    return {"action": "ANNOTATIONS_DELETED", "project": PROJECT, "annotations": ids}


def taught(learner: LearningWorker) -> list[str]:
    """Ids of the annotations with lessons."""
    index = learner.lessons.index(KEY)
    return sorted(key for key, one in index.annotations.items() if one.lessons)

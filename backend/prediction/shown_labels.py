"""Which of the labels that the model found a prediction shows."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from backend.label_studio.controls import Control
from backend.label_studio.project_settings import ProjectSettings
from model import Segmentation


def shown_labels(
    found: Segmentation, control: Control, settings: ProjectSettings
) -> Iterator[tuple[int, NDArray[np.bool_], float]]:
    """(index, mask (H, W), score) of each label whose mask is neither too small nor too unsure."""
    for index, _, mask, score in found.non_empty():
        is_small = np.count_nonzero(mask) < max(settings.min_region_px, 1)
        if not is_small and score >= control.min_score:
            yield index, mask, float(score)

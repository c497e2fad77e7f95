"""A project of photos on disk with people's masks, as a JSON export of Label Studio."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.annotations import CONFIG, region

HW = (48, 64)


def disk(center_x: int) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[: HW[0], : HW[1]]
    return (rows - 24) ** 2 + (columns - center_x) ** 2 < 14**2


def photo_of(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """RGB (H, W, 3): bright in the mask, dark around it."""
    photo = np.full((*HW, 3), (40, 60, 90), dtype=np.uint8)
    photo[mask] = (240, 180, 60)
    return photo


def annotation_of(masks: dict[str, NDArray[np.bool_]], number: int = 1) -> dict[str, Any]:
    """An annotation; masks by the name of the label, which is "c" for Cat."""
    return {
        "id": number,
        "result": [region(label, mask) for label, mask in masks.items() if mask.any()],
        "updated_at": "2026-01-01T00:00:00Z",
        "was_cancelled": False,
        "parent_prediction": None,
    }


def cat_on_dog(mask: NDArray[np.bool_], number: int = 1) -> dict[str, Any]:
    return annotation_of({"c": mask, "Dog": ~mask}, number)


class Export:
    """Files in a folder: the export, its labeling config, its photos below `images`."""

    def __init__(self, folder: Path) -> None:
        self.images, self.file = folder / "images", folder / "export.json"
        self.label_config = folder / "config.xml"
        self.images.mkdir()
        self.label_config.write_text(CONFIG)
        self.tasks: list[dict[str, Any]] = []

    def add(self, photo: NDArray[np.uint8] | None, *annotations: dict[str, Any]) -> None:
        """A task with this photo; None: its file is missing."""
        number = len(self.tasks) + 1
        if photo is not None:
            Image.fromarray(photo).save(self.images / f"{number}.png")
        data = {"image": f"/data/local-files/?d={number}.png"}
        self.tasks.append({"id": number, "data": data, "annotations": list(annotations)})

    def write(self) -> None:
        self.file.write_text(json.dumps(self.tasks))

    def arguments(self, *more: str) -> Sequence[str]:
        """Of `evaluate`."""
        return (
            "evaluate", "--export", str(self.file), "--label-config", str(self.label_config), *more
        )  # fmt: skip

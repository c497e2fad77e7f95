"""Clicks and boxes of Label Studio's smart tools, as a plain first answer.

A click keeps the part of the label's own mask that is connected to it, a box what lies inside.
What a prompt means beyond that needs the dense features and is the model's to answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from backend.errors import RequestError
from backend.labels import Control, LabelSpec

LABEL_KEYS = {"keypointlabels": "keypointlabels", "rectanglelabels": "rectanglelabels"}


@dataclass(frozen=True)
class Prompt:
    label: str  # alias or value, as Label Studio sends it
    to_name: str
    is_positive: bool
    box_xyxy: tuple[float, float, float, float]  # 0..1 of the image; a click: both corners equal
    id: str

    @property
    def is_click(self) -> bool:
        return self.box_xyxy[:2] == self.box_xyxy[2:]


def read_prompts(context: Mapping[str, Any] | None) -> tuple[Prompt, ...]:
    """The prompts of a /predict context, oldest first; kinds that we do not know are passed over.

    Key points restored from a draft have lost their "is_positive": they were positive.
    """
    prompts = []
    for item in (context or {}).get("result") or ():
        key = LABEL_KEYS.get(item.get("type", ""))
        value = item.get("value")
        if key is None:
            continue
        try:
            left, top = value["x"] / 100, value["y"] / 100
            width, height = (
                (value["width"] / 100, value["height"] / 100)
                if key == "rectanglelabels"
                else (0.0, 0.0)
            )
            label = (value.get(key) or value["labels"])[0]
        except (KeyError, TypeError, IndexError) as error:
            raise RequestError(
                f"The context's {item['type']} needs x, y and a label in its value: {value!r}"[:300]
            ) from error
        prompts.append(
            Prompt(
                label=label,
                to_name=item.get("to_name", ""),
                is_positive=item.get("is_positive") is not False,
                box_xyxy=(left, top, left + width, top + height),
                id=str(item.get("id", "")),
            )
        )
    return tuple(prompts)


def asked_of(control: Control, prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """The prompts for this control: those on its image with the label of the newest one."""
    own = [prompt for prompt in prompts if prompt.to_name == control.to_name]
    return tuple(prompt for prompt in own if prompt.label == own[-1].label)


def means(prompt: Prompt, label: LabelSpec) -> bool:
    return prompt.label in (label.name, label.value)


def keep_prompted(mask: np.ndarray, prompts: Sequence[Prompt]) -> np.ndarray:
    """The parts of a label's mask (H, W) that positive prompts touch and no negative one does."""
    height, width = mask.shape
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    kept = np.zeros_like(mask)
    for prompt in sorted(prompts, key=lambda prompt: not prompt.is_positive):
        x1, y1, x2, y2 = prompt.box_xyxy
        rows = slice(pixel(y1, height), pixel(y2, height) + 1)
        columns = slice(pixel(x1, width), pixel(x2, width) + 1)
        if prompt.is_click:
            part = parts[rows.start, columns.start]
            if part:
                kept[parts == part] = prompt.is_positive
        else:
            kept[rows, columns] |= mask[rows, columns]
    return kept


def pixel(share: float, size: int) -> int:
    return int(np.clip(share * size, 0, size - 1))

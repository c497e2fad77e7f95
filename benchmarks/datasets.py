"""Measuring sets: images/, masks/<same stem>.png (class index, 255 = ignore), classes.txt."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

IGNORE = 255
SHARED = Path(__file__).parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Sample:
    stem: str
    image: np.ndarray  # (H, W, 3) uint8 RGB
    truth: np.ndarray  # (H, W) uint8: class index, 255 = ignore


@dataclass(frozen=True)
class MeasuringSet:
    """One set; `subset` ("voc21") names a second truth beside the first: masks_voc21/ and so on."""

    folder: Path
    subset: str = ""

    @property
    def name(self) -> str:
        return "/".join(part for part in (self.folder.name, self.subset) if part)

    @property
    def class_names(self) -> list[str]:
        """Plain names by index, as an annotator would type them (no remark in brackets)."""
        file = self.folder / f"classes{self._suffix}.txt"
        lines = [line for line in file.read_text().splitlines() if line and line[0] != "#"]
        pairs = sorted((int(line.split("\t")[0]), line.split("\t")[1]) for line in lines)
        if [index for index, _ in pairs] != list(range(len(pairs))):
            raise ValueError(f"{file}: class indices must run from 0 without gaps")
        return [re.sub(r"\s*\(.*\)", "", name).strip() for _, name in pairs]

    @property
    def stems(self) -> list[str]:
        listed = self.folder / f"{self.subset}_images.txt"
        if self.subset and listed.exists():
            return sorted(line.strip() for line in listed.read_text().splitlines() if line.strip())
        return sorted(path.stem for path in (self.folder / f"masks{self._suffix}").glob("*.png"))

    def spread(self, limit: int) -> list[str]:
        """`limit` stems, evenly spread over all; 0: all."""
        stems = self.stems
        if not 0 < limit < len(stems):
            return stems
        return [stems[i * len(stems) // limit] for i in range(limit)]

    def load(self, stem: str) -> Sample:
        image_file = next((self.folder / "images").glob(f"{stem}.*"))
        with (
            Image.open(image_file) as image,
            Image.open(self.folder / f"masks{self._suffix}" / f"{stem}.png") as truth,
        ):
            return Sample(stem, np.array(image.convert("RGB")), np.array(truth))

    @property
    def _suffix(self) -> str:
        return f"_{self.subset}" if self.subset else ""


def shared_sets() -> list[MeasuringSet]:
    """Those that lie beside this checkout, if any do."""
    sets = [
        MeasuringSet(SHARED / "coco_object_train", "voc21"),
        MeasuringSet(SHARED / "coco_object_train"),
        MeasuringSet(SHARED / "camvid"),
        MeasuringSet(SHARED / "magnetic_tile"),
    ]
    return [one for one in sets if one.folder.exists()]


class Confusion:
    """Counts of (truth, answer) pixel pairs, and the intersection over union they give."""

    def __init__(self, n_classes: int) -> None:
        self.counts = np.zeros((n_classes, n_classes), dtype=np.int64)

    def add(self, truth: np.ndarray, answer: np.ndarray) -> None:
        """Both (H, W) class indices; truth may hold 255, answer must not."""
        known = truth != IGNORE
        pairs = truth[known].astype(np.int64) * len(self.counts) + answer[known]
        self.counts += np.bincount(pairs, minlength=self.counts.size).reshape(self.counts.shape)

    @property
    def iou(self) -> np.ndarray:
        """(K,) in 0..1; NaN for classes that the truth never shows."""
        hits = np.diag(self.counts).astype(float)
        union = self.counts.sum(0) + self.counts.sum(1) - hits
        with np.errstate(invalid="ignore"):
            return np.where(self.counts.sum(1) > 0, hits / np.maximum(union, 1), np.nan)

    @property
    def miou(self) -> float:
        return float(np.nanmean(self.iou))

"""Measuring sets: images with the true class of each pixel, and how well an answer agrees.

A set is a folder with `images/`, `masks/<same stem>.png` (class index, 255 = ignore) and
`classes.txt` (lines of `index<TAB>name`, `#` for comments). Beside its masks it may have a second
truth NAME: `masks_NAME/`, `classes_NAME.txt` and, for some images only, `NAME_images.txt`.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IGNORE = 255
DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "data"
# The sets that most tables of benchmarks/README.md were taken on.
TABLE_SETS = ("coco_object_train/voc21", "camvid", "magnetic_tile")
WHAT_IS_NEEDED = (
    "Measuring needs --data DIR: a folder with images/, masks/ (PNG of the same stem, pixel value "
    "= class index, 255 = ignore) and classes.txt (index<TAB>name), or a folder of such folders; "
    "benchmarks/README.md (Data) says where COCO, CamVid, magnetic tile defects and other public "
    "sets can be had, and how to convert them."
)


@dataclass(frozen=True)
class Sample:
    stem: str
    image: NDArray[np.uint8]  # (H, W, 3) uint8 RGB
    truth: NDArray[np.uint8]  # (H, W) uint8: class index, 255 = ignore


@dataclass(frozen=True)
class MeasuringSet:
    """One set; `subset` names its second truth, if it is that one's."""

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


def find_sets(data: Path) -> list[MeasuringSet]:
    """The set in this folder, or those in the folders in it, by name; second truths come first."""
    folders = [data, *sorted(path for path in data.iterdir() if path.is_dir())]
    return [one for folder in folders for one in _sets_in(folder)]


def _sets_in(folder: Path) -> Iterator[MeasuringSet]:
    parts = ("images", "masks", "classes.txt")
    if not all((folder / part).exists() for part in parts):
        return
    for masks in sorted(folder.glob("masks_*")):
        subset = masks.name.removeprefix("masks_")
        if (folder / f"classes_{subset}.txt").exists():
            yield MeasuringSet(folder, subset)
    yield MeasuringSet(folder)


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=DEFAULT_DATA if DEFAULT_DATA.is_dir() else None,
        help="a measuring set's folder, or a folder of them (benchmarks/README.md, Data)",
    )
    parser.add_argument("--sets", nargs="+", help="their names, such as camvid; default: all")
    parser.add_argument("--limit", type=int, default=0, help="so many images of each set; 0: all")


def chosen_sets(arguments: argparse.Namespace, default: Sequence[str] = ()) -> list[MeasuringSet]:
    """The sets of --data that --sets names; without it those of `default` that are there, or all.

    Without data there is nothing to measure: says what is needed, and ends the program.
    """
    if arguments.data is None:
        print(WHAT_IS_NEEDED)
        raise SystemExit(0)
    found = {one.name: one for one in find_sets(arguments.data)} if arguments.data.is_dir() else {}
    if not found:
        raise SystemExit(f"There is no measuring set in {arguments.data}. {WHAT_IS_NEEDED}")
    wanted = arguments.sets or [name for name in default if name in found] or list(found)
    unknown = [name for name in wanted if name not in found]
    if unknown:
        raise SystemExit(
            f"No set {', '.join(unknown)} in {arguments.data}. Found: {', '.join(found)}."
        )
    return [found[name] for name in wanted]


class Confusion:
    """Counts of (truth, answer) pixel pairs, and the intersection over union they give."""

    def __init__(self, n_classes: int) -> None:
        self.counts = np.zeros((n_classes, n_classes), dtype=np.int64)

    def add(self, truth: NDArray[np.uint8], answer: NDArray[np.integer[Any]]) -> None:
        """Both (H, W) class indices; truth may hold 255, answer must not."""
        known = truth != IGNORE
        pairs = truth[known].astype(np.int64) * len(self.counts) + answer[known]
        self.counts += np.bincount(pairs, minlength=self.counts.size).reshape(self.counts.shape)

    @property
    def iou(self) -> NDArray[np.float64]:
        """(K,) in 0..1; NaN for classes that the truth never shows."""
        hits = np.diag(self.counts).astype(float)
        union = self.counts.sum(0) + self.counts.sum(1) - hits
        with np.errstate(invalid="ignore"):
            return np.where(self.counts.sum(1) > 0, hits / np.maximum(union, 1), np.nan)

    @property
    def miou(self) -> float:
        return float(np.nanmean(self.iou))

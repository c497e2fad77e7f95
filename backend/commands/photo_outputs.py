"""What `predict` writes of each photo: pictures, masks, and files that other programs read."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray
from PIL import Image

from backend.commands.fonts import Fonts
from backend.commands.output_files import (
    PICTURE_SUFFIXES,
    check_file,
    check_folder,
    check_picture,
    save_picture,
    save_text,
)
from backend.commands.overlay import Layer, draw_overlay
from backend.commands.photo_files import Photo
from backend.commands.streamed_json import StreamedJson
from backend.errors import SettingsError
from backend.masks.coco import coco_box, coco_segmentation, yolo_polygons
from backend.release import RELEASE


@dataclass(frozen=True)
class SegmentedPhoto:
    photo: Photo
    image: NDArray[np.uint8]  # RGB (H, W, 3)
    layers: Sequence[Layer]  # of the labels that were found


class PhotoOutput(Protocol):
    def add(self, segmented: SegmentedPhoto) -> None:
        """Raises SettingsError, such as for a full disk."""

    def close(self) -> str:
        """Finish the files, of what was added; what and where they are, for the terminal."""


class OverlayFile:
    """The picture with masks and legend of one photo."""

    def __init__(self, path: Path) -> None:
        check_picture(path)
        self.path, self._fonts = path, Fonts()
        self._names: list[str] = []

    def add(self, segmented: SegmentedPhoto) -> None:
        save_picture(draw_overlay(segmented.image, segmented.layers, self._fonts), self.path)
        self._names += [layer.name for layer in segmented.layers]

    def close(self) -> str:
        return f"picture: {self.path}" + spelling_note(self._fonts, self._names)


class OverlayFolder:
    """A picture with masks and legend of each of several photos."""

    def __init__(self, folder: Path) -> None:
        if folder.suffix.lower() in PICTURE_SUFFIXES:
            raise SettingsError(
                f"--out {folder} names one picture: for several photos name a folder, such as "
                f"--out {folder.with_suffix('')}."
            )
        check_folder(folder, "--out")
        self.folder, self._fonts = folder, Fonts()
        self._names: set[str] = set()

    def add(self, segmented: SegmentedPhoto) -> None:
        picture = draw_overlay(segmented.image, segmented.layers, self._fonts)
        save_picture(picture, self.folder / f"{segmented.photo.stem}.png")
        self._names.update(layer.name for layer in segmented.layers)

    def close(self) -> str:
        return f"pictures: {self.folder}" + spelling_note(self._fonts, sorted(self._names))


def spelling_note(fonts: Fonts, names: Sequence[str]) -> str:
    if not (spelled := fonts.unspelled(names)):
        return ""
    return (
        f"\n  in its legend {', '.join(spelled)} is spelled in ASCII: no font of this machine has "
        "all its letters. Install one, such as fonts-noto-cjk."
    )


class MaskFolder:
    """One black and white PNG for each label of a photo; of several, in a folder for each."""

    def __init__(
        self, folder: Path, stem_of_label: Mapping[str, str], *, has_folders: bool
    ) -> None:
        check_folder(folder, "--masks")
        self.folder, self._stem_of_label, self._has_folders = folder, stem_of_label, has_folders
        self._renamed: dict[str, str] = {}

    def add(self, segmented: SegmentedPhoto) -> None:
        folder = self.folder / segmented.photo.stem if self._has_folders else self.folder
        check_folder(folder, "--masks")
        save_masks(segmented.layers, folder, self._stem_of_label)
        for layer in segmented.layers:
            if (stem := self._stem_of_label[layer.name]) != layer.name:
                self._renamed[layer.name] = stem

    def close(self) -> str:
        lines = [f"  {name}: {stem}.png" for name, stem in self._renamed.items()]
        return "\n".join([f"masks: {self.folder}", *lines])


def save_masks(layers: Sequence[Layer], folder: Path, stems: Mapping[str, str]) -> None:
    """Write one black and white PNG for each layer. `stems`: file names by label."""
    for layer in layers:
        save_picture(Image.fromarray(layer.mask), folder / f"{stems[layer.name]}.png")


class CocoFile:
    """COCO's JSON: an annotation for each label of a photo, its mask as run lengths."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        check_file(path, "--coco", example="coco.json")
        self._category = {name: number for number, name in enumerate(names, 1)}
        categories = [{"id": number, "name": name} for name, number in self._category.items()]
        about = {"info": {"description": f"Firstpass {RELEASE}"}, "categories": categories}
        self._json = StreamedJson(path, orjson.dumps(about)[:-1] + b',"annotations":[')
        self._images: list[dict[str, Any]] = []
        self._n_annotations = 0

    def add(self, segmented: SegmentedPhoto) -> None:
        height_px, width_px = segmented.image.shape[:2]
        image_id = len(self._images) + 1
        name = str(segmented.photo.relative)
        self._images.append(
            {"id": image_id, "file_name": name, "width": width_px, "height": height_px}
        )
        for layer in segmented.layers:
            self._n_annotations += 1
            self._json.add(
                {
                    "id": self._n_annotations,
                    "image_id": image_id,
                    "category_id": self._category[layer.name],
                    "segmentation": coco_segmentation(layer.mask),
                    "bbox": coco_box(layer.mask),
                    "area": int(np.count_nonzero(layer.mask)),
                    "iscrowd": 0,
                    "score": round(layer.score, 4),
                }
            )

    def close(self) -> str:
        self._json.close(b'],"images":' + orjson.dumps(self._images) + b"}")
        return f"COCO: {self._json.path}"


class YoloFolder:
    """Ultralytics' segmentation data set: labels/, links to the photos in images/, data.yaml."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder, self._number = folder, {name: n for n, name in enumerate(names)}
        for part in ("images", "labels"):
            check_folder(folder / part, "--yolo")
        # JSON is YAML, with every name quoted.
        listed = "".join(f"  {n}: {json.dumps(name)}\n" for n, name in enumerate(names))
        save_text(f"train: images\nval: images\nnames:\n{listed}", folder / "data.yaml")

    def add(self, segmented: SegmentedPhoto) -> None:
        photo = segmented.photo
        lines = [
            " ".join([str(self._number[layer.name]), *(f"{x:.6g}" for x in polygon.ravel())])
            for layer in segmented.layers
            for polygon in yolo_polygons(layer.mask)
        ]
        text = "".join(f"{line}\n" for line in lines)
        save_text(text, self.folder / "labels" / f"{photo.stem}.txt")
        link_or_copy(photo.path, self.folder / "images" / (photo.stem + photo.path.suffix.lower()))

    def close(self) -> str:
        return f"YOLO: {self.folder / 'data.yaml'}"


def link_or_copy(source: Path, target: Path) -> None:
    """A link to `source`, or a copy where file systems have none. Raises SettingsError."""
    try:
        target.unlink(missing_ok=True)
        try:
            target.symlink_to(source.resolve())
        except OSError:
            shutil.copyfile(source, target)
    except OSError as error:
        raise SettingsError(f"{target} cannot be written: {error.strerror}.") from error

"""docs/crf.jpg: crops of photos, their masks before and after the dense CRF.

    python -m benchmarks.crf_picture [--out docs/crf.jpg]

Photos of skimage.data, words an annotator would type; the probs are those of the checkpoint.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from benchmarks.measuring import add_checkpoint_arguments, load_segmenter
from model import ClassPrompt, Segmenter, SegmentSettings, Vocabulary

# Photo, its words, and the crop that is shown (top, left, side in px).
SCENES = (
    ("rocket", ("rocket", "sky", "tower"), (0, 200, 330)),
    ("astronaut", ("person", "rocket", "flag"), (0, 60, 380)),
)
COLORS_RGB = ((230, 60, 60), (60, 130, 240), (250, 200, 40), (70, 200, 110))
TILE_PX = 260
GAP_PX = 6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crf_picture")
    parser.add_argument("--out", type=Path, default=Path("docs/crf.jpg"))
    add_checkpoint_arguments(parser)
    parser.add_argument("--refiner", default="crf")
    arguments = parser.parse_args()
    segmenter = load_segmenter(arguments)
    columns = [scene_column(segmenter, *scene, arguments.refiner) for scene in SCENES]
    picture = np.concatenate(columns, axis=1)[:, :-GAP_PX]
    cv2.imwrite(str(arguments.out), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1000:.0f} kB")


def scene_column(
    segmenter: Segmenter,
    photo: str,
    words: tuple[str, ...],
    crop: tuple[int, int, int],
    refiner: str,
) -> NDArray[np.uint8]:
    """Before above after, (2 tiles, 1 tile, 3) with a white gap below and to the right."""
    image = getattr(skimage.data, photo)()
    vocabulary = Vocabulary(tuple(ClassPrompt(word) for word in words))
    features = segmenter.encode([image], SegmentSettings().resolve())[0]
    tiles = []
    for name in ("none", refiner):
        method = SegmentSettings(refiner=name).resolve()
        label_map = segmenter.segment(features, image, vocabulary, method).label_map
        tiles.append(tile(image, label_map, crop))
    return np.concatenate(tiles)


def tile(
    image: NDArray[np.uint8], label_map: NDArray[np.int16], crop: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """The crop with a tint and an outline for each mask."""
    top, left, side_px = crop
    part = slice(top, top + side_px), slice(left, left + side_px)
    size = (TILE_PX, TILE_PX)
    shown = cv2.resize(image[part].astype(np.float32), size, interpolation=cv2.INTER_AREA)
    labels = cv2.resize(label_map[part], size, interpolation=cv2.INTER_NEAREST)
    for index, color in enumerate(COLORS_RGB):
        mask = (labels == index).astype(np.uint8)
        shown[mask > 0] = 0.6 * shown[mask > 0] + 0.4 * np.array(color)
        outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        shown = np.ascontiguousarray(shown)
        cv2.drawContours(shown, outlines, -1, color, 2, cv2.LINE_AA)
    return np.pad(
        shown.clip(0, 255).astype(np.uint8), ((0, GAP_PX), (0, GAP_PX), (0, 0)), constant_values=255
    )


if __name__ == "__main__":
    main()

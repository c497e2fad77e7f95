"""Where the time of one /predict goes, outside the model: `python -m benchmarks.serving`.

A task of 1024 x 768 pixels and 10 labels with a mask for each, in three shapes of masks. The model
is left out: its answer is drawn beforehand, so what is timed is what Firstpass adds to it.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import orjson
from backend.regions import encode_regions

from backend.labels import labels_for, read_controls
from model import Segmentation

N_LABELS = 10
CONFIG = (
    '<View><Image name="image" value="$image"/><{tag} name="tag" toName="image">'
    + "".join(f'<Label value="Label {n}"/>' for n in range(N_LABELS))
    + "</{tag}></View>"
)


def blocks(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Ten labels in smooth regions, as a refined CLIP map has them."""
    coarse = rng.random((N_LABELS, 9, 12), dtype=np.float32)
    smooth = [cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC) for layer in coarse]
    return np.argmax(smooth, axis=0)


def ragged(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """The same with frayed edges, as colour-guided refiners leave them."""
    shift = rng.normal(0, 3, (2, height, width)).astype(np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    smooth = blocks(height, width, rng).astype(np.float32)
    return cv2.remap(smooth, columns + shift[0], rows + shift[1], cv2.INTER_NEAREST).astype(int)


def noise(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Two pixels of a hundred flipped: the worst that may come."""
    labels = blocks(height, width, rng)
    flipped = rng.random(labels.shape) < 0.02
    labels[flipped] = rng.integers(0, N_LABELS, flipped.sum())
    return labels


def stages_of(found: Segmentation, label_config: str) -> dict[str, Callable[[], Any]]:
    """The stages of a task in order, each as a call; a later one uses the earlier ones' results."""
    kept: dict[str, Any] = {}

    def read() -> None:
        kept["control"] = read_controls(label_config)[0]
        kept["labels"] = labels_for(kept["control"], {"image": "x"})

    def masks() -> None:
        kept["masks"] = list(found.non_empty())

    def regions() -> None:
        kept["regions"] = [
            item
            for index, _, mask, score in kept["masks"]
            for item in encode_regions(
                kept["control"], kept["labels"][index], mask, float(score), region_id=str(index)
            )
        ]

    def serialise() -> int:
        return len(orjson.dumps({"results": [{"result": kept["regions"]}]}))

    return {"read config": read, "masks": masks, "regions": regions, "json": serialise}


def measure(found: Segmentation, label_config: str, repeats: int) -> tuple[dict[str, float], int]:
    """Median milliseconds of each stage, and the bytes of the answer."""
    stages = stages_of(found, label_config)
    times: dict[str, list[float]] = {name: [] for name in stages}
    size = 0
    for _ in range(repeats):
        for name, run in stages.items():
            started = time.perf_counter()
            size = run() or 0
            times[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}, size


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repeats", type=int, default=15)
    options.add_argument("--width", type=int, default=1024)
    options.add_argument("--height", type=int, default=768)
    arguments = options.parse_args()

    print(f"{arguments.width} x {arguments.height} pixels, {N_LABELS} labels, medians in ms\n")
    print("| control | masks | read config | masks | regions | json | sum | answer |")
    print("|---|---|---|---|---|---|---|---|")
    for tag in ("BrushLabels", "BitmaskLabels", "PolygonLabels"):
        for draw in (blocks, ragged, noise):
            label_map = draw(arguments.height, arguments.width, np.random.default_rng(0))
            found = Segmentation(
                class_names=tuple(f"Label {n}" for n in range(N_LABELS)),
                label_map=label_map.astype(np.int16),
                scores=np.full(N_LABELS, 0.5, dtype=np.float32),
            )
            times, size = measure(found, CONFIG.format(tag=tag), arguments.repeats)
            row = " | ".join(f"{value:.1f}" for value in [*times.values(), sum(times.values())])
            print(f"| {tag} | {draw.__name__} | {row} | {size // 1000} kB |")


if __name__ == "__main__":
    main()

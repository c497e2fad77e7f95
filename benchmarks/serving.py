"""What one /predict costs outside the model: `python -m benchmarks.serving`.

A task of 1024 x 768 pixels whose 10 labels all have a mask, in masks of three kinds. The model's
answer and the decoded image are there beforehand, so what is timed is what Firstpass adds: first
each stage, then a whole request through the real routes and a real store. Times are CPU time, so
that a busy machine does not show.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import orjson

from backend.http.app import Parts, create_app
from backend.label_studio.client import LabelStudio
from backend.label_studio.controls import labels_for, read_controls
from backend.learning.event_queue import CorrectionQueue
from backend.masks.regions import encode_regions
from backend.prediction.annotator import Annotator
from backend.prediction.batcher import Batcher
from backend.settings import Settings
from backend.store.store import open_store
from model import Segmentation

N_LABELS = 10
CONTROLS = ("BrushLabels", "BitmaskLabels", "PolygonLabels")


def config_of(tag: str) -> str:
    labels = "".join(f'<Label value="Label {n}"/>' for n in range(N_LABELS))
    image = '<Image name="image" value="$image"/>'
    return f'<View>{image}<{tag} name="tag" toName="image">{labels}</{tag}></View>'


def smooth(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Label map (H, W) of ten labels in smooth regions, as a refined CLIP map has them."""
    coarse = rng.random((N_LABELS, 9, 12), dtype=np.float32)
    layers = [cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC) for layer in coarse]
    return np.argmax(layers, axis=0)


def frayed(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """The same with every edge scattered over some pixels."""
    shift = rng.normal(0, 3, (2, height, width)).astype(np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    labels = smooth(height, width, rng).astype(np.float32)
    return cv2.remap(labels, columns + shift[0], rows + shift[1], cv2.INTER_NEAREST).astype(int)


def noisy(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """The same with two pixels of a hundred flipped."""
    labels = smooth(height, width, rng)
    flipped = rng.random(labels.shape) < 0.02
    labels[flipped] = rng.integers(0, N_LABELS, flipped.sum())
    return labels


class CannedSegmenter:
    """Gives a prepared segmentation in place of the model's."""

    def __init__(self, found: Segmentation) -> None:
        self.found = found

    def encode(self, images: Any, _method: Any) -> list[None]:
        return [None for _ in images]

    def segment(self, *_: Any) -> Segmentation:
        return self.found

    def version(self, _method: Any) -> str:
        return "canned"


def stages_of(found: Segmentation, label_config: str) -> dict[str, Callable[[], Any]]:
    """The stages of a task in order, each as a call; a later one uses the earlier ones' results."""
    kept: dict[str, Any] = {}

    def masks() -> None:
        kept["masks"] = list(found.non_empty())

    def regions() -> None:
        control = read_controls(label_config)[0]
        labels = labels_for(control, {})
        kept["regions"] = [
            item
            for index, _, mask, score in kept["masks"]
            for item in encode_regions(
                control, labels[index], mask, float(score), region_id=str(index)
            )
        ]

    def serialize() -> int:
        return len(orjson.dumps({"results": [{"result": kept["regions"]}]}))

    return {"masks": masks, "regions": regions, "json": serialize}


def request_of(
    found: Segmentation, label_config: str, image: np.ndarray, parts: Parts
) -> Callable[[], Any]:
    segmenter = cast(Any, CannedSegmenter(found))
    parts.annotator = Future()
    parts.annotator.set_result(
        Annotator(
            segmenter=segmenter,
            load_image=cast(Any, lambda _uri, **_kwargs: image),
            batcher=Batcher(segmenter.encode),
            metrics=parts.metrics,
        )
    )
    client = create_app(parts).test_client()
    body = orjson.dumps(
        {
            "tasks": [{"id": 1, "data": {"image": "x"}}],
            "label_config": label_config,
            "project": "1.1",
        }
    )

    def ask() -> bytes:
        return client.post("/predict", data=body).data

    (prediction,) = orjson.loads(ask())["results"]
    assert len(prediction["result"]) >= N_LABELS, prediction  # a failure shall not be timed
    return ask


def median_ms(run: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.process_time()
        run()
        times.append((time.process_time() - started) * 1000)
    return statistics.median(times)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repeats", type=int, default=15)
    options.add_argument("--width", type=int, default=1024)
    options.add_argument("--height", type=int, default=768)
    chosen = options.parse_args()
    image = np.zeros((chosen.height, chosen.width, 3), dtype=np.uint8)

    with tempfile.TemporaryDirectory() as folder:
        store = open_store(None, Path(folder))
        parts = Parts(
            settings=Settings.from_env({}),
            annotator=Future(),
            store=store,
            label_studio=LabelStudio(None),
            corrections=CorrectionQueue(store, Path(folder)),
        )
        print(f"{chosen.width} x {chosen.height} pixels, {N_LABELS} labels, median CPU ms\n")
        print("| control | edges | masks | regions | json | whole request | answer |")
        print("|---|---|---|---|---|---|---|")
        for tag in CONTROLS:
            for draw in (smooth, frayed, noisy):
                label_map = draw(chosen.height, chosen.width, np.random.default_rng(0))
                found = Segmentation(
                    class_names=tuple(f"Label {n}" for n in range(N_LABELS)),
                    label_map=label_map.astype(np.int16),
                    scores=np.full(N_LABELS, 0.5, dtype=np.float32),
                )
                stages = stages_of(found, config_of(tag))
                times = [median_ms(run, chosen.repeats) for run in stages.values()]
                times.append(
                    median_ms(request_of(found, config_of(tag), image, parts), chosen.repeats)
                )
                row = " | ".join(f"{value:.1f}" for value in times)
                size_kb = stages["json"]() // 1000
                print(f"| {tag} | {draw.__name__} | {row} | {size_kb} kB |", flush=True)
        store.close()


if __name__ == "__main__":
    main()

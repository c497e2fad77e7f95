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
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import torch
from numpy.typing import NDArray

from backend.concurrency import Concurrency
from backend.http.app import create_app
from backend.label_studio.controls import read_controls
from backend.label_studio.task_data import labels_for
from backend.masks.regions import encode_regions
from backend.prediction.feature_cache import Page
from backend.service import Service
from backend.settings import Settings
from benchmarks.label_maps import LABEL_MAPS, N_LABELS
from model import Segmentation

CONTROLS = ("BrushLabels", "BitmaskLabels", "PolygonLabels")


def config_of(tag: str) -> str:
    labels = "".join(f'<Label value="Label {n}"/>' for n in range(N_LABELS))
    image = '<Image name="image" value="$image"/>'
    return f'<View>{image}<{tag} name="tag" toName="image">{labels}</{tag}></View>'


class CannedSegmenter:
    """Stands for the model: its answer is there already."""

    refining_device = torch.device("cpu")
    precision = "float32"

    def __init__(self, found: Segmentation) -> None:
        self.found = found

    def encode(self, images: Any, _method: Any, _vocabularies: Any) -> list[None]:
        return [None for _ in images]

    def encode_text(self, *_: Any) -> None:
        """Words are embedded in advance, by threads that keep none of it."""

    def segment(self, *_: Any) -> Segmentation:
        return self.found

    def space(self, _method: Any) -> str:
        return "canned"

    version = space


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

    def serialise() -> int:
        body = {"results": [{"result": kept["regions"]}]}
        return len(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY))

    return {"masks": masks, "regions": regions, "json": serialise}


class CannedPages:
    """Stands for loading and encoding: each page is there already."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.page = Page(image, cast(Any, None))

    def load(self, *_: Any, **__: Any) -> Page:
        return self.page


def request_of(
    found: Segmentation, label_config: str, image: NDArray[np.uint8], settings: Settings
) -> Callable[[], Any]:
    service = Service(settings.model_copy(update={"learn": "off"}))
    service.segmenter = cast(Any, CannedSegmenter(found))
    service.pages = cast(Any, CannedPages(image))
    service.concurrency = Concurrency.of(settings)
    service.model_loaded.set_result(None)
    client = create_app(service).test_client()
    body = orjson.dumps(
        {
            "tasks": [{"id": 1, "data": {"image": "x"}}],
            "label_config": label_config,
            "project": "1.1",
        }
    )

    def ask() -> bytes:
        answer: bytes = client.post("/predict", data=body, content_type="application/json").data
        return answer

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
        settings = Settings(data_dir=Path(folder))
        print(f"{chosen.width} x {chosen.height} pixels, {N_LABELS} labels, median CPU ms\n")
        print("| control | edges | masks | regions | json | whole request | answer |")
        print("|---|---|---|---|---|---|---|")
        for tag in CONTROLS:
            for edges, draw in LABEL_MAPS.items():
                label_map = draw(chosen.height, chosen.width, np.random.default_rng(0))
                found = Segmentation(
                    class_names=tuple(f"Label {n}" for n in range(N_LABELS)),
                    label_map=label_map.astype(np.int16),
                    scores=np.full(N_LABELS, 0.5, dtype=np.float32),
                )
                stages = stages_of(found, config_of(tag))
                times = [median_ms(run, chosen.repeats) for run in stages.values()]
                times.append(
                    median_ms(request_of(found, config_of(tag), image, settings), chosen.repeats)
                )
                row = " | ".join(f"{value:.1f}" for value in times)
                size_kb = stages["json"]() // 1000
                print(f"| {tag} | {edges} | {row} | {size_kb} kB |", flush=True)


if __name__ == "__main__":
    main()

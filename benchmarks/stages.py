"""Where the time of a prediction goes, and what overlapping its stages is worth.

`python -m benchmarks.stages`: photos of noise and shapes from a web server of this process, which
takes some time for each, predicted by the real service with the starter. First each stage's share
of the wall time of one task; then requests of many tasks with so many tasks at once, in turns, so
that a busy machine is as busy for each; then a click while such a request runs; then how the CPU
time grows with pixels, labels and tasks. Ratios carry over to other machines, times do not.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend.images.decode import decode_image
from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.task_data import labels_for
from backend.masks.regions import encode_regions
from backend.prediction.annotator import Annotator
from backend.prediction.label_vocabulary import vocabulary_of
from backend.prediction.shown_regions import shown_regions
from backend.service import Service
from backend.settings import Settings
from benchmarks.photo_server import PhotoServer
from model.pixel_labels import label_pixels

LABELS = ("sky", "tree", "road", "house", "car", "person", "dog", "grass")
CLICK = {"x": 40, "y": 40, "width": 1, "keypointlabels": ["sky"]}
PROJECT = "1.1"


class Bench:
    """Requests to one annotator; no photo is asked for twice, so that no cache answers."""

    def __init__(
        self, service: Service, server: PhotoServer, size_wh: tuple[int, int] = (1024, 768)
    ) -> None:
        self.service, self.annotator, self.size_wh = service, service.annotator, size_wh
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.server, self.n_asked = server, 0

    def tasks(self, count: int, size_wh: tuple[int, int] | None = None) -> list[dict[str, Any]]:
        """Tasks whose photos are drawn already."""
        found, size_wh = [], size_wh or self.size_wh
        for _ in range(count):
            self.n_asked += 1
            path = f"/{size_wh[0]}x{size_wh[1]}/{self.n_asked}.jpg"
            self.server.photo(path)
            found.append({"id": self.n_asked, "data": {"image": self.url + path}})
        return found

    def seconds(
        self,
        tasks: Sequence[Any],
        *,
        labels: Sequence[str] = LABELS,
        annotator: Annotator | None = None,
        context: Any = None,
    ) -> float:
        """Wall time of one request, which must not fail."""
        began_s = time.perf_counter()
        items = (annotator or self.annotator).predict(
            tasks, config_of(labels), ProjectSettings(), project_id=PROJECT, context=context
        )
        took_s = time.perf_counter() - began_s
        assert all("error" not in item for item in items), items
        return took_s


def config_of(labels: Sequence[str]) -> str:
    tags = "".join(f'<Label value="{one}"/>' for one in labels)
    return (
        '<View><Image name="image" value="$image"/>'
        f'<BrushLabels name="tag" toName="image">{tags}</BrushLabels>'
        f'<KeyPointLabels name="key" toName="image" smart="true">{tags}</KeyPointLabels></View>'
    )


def stage_seconds(bench: Bench) -> dict[str, float]:
    """Wall time of each stage of one task, by the parts that a prediction goes through."""
    service, (task,) = bench.service, bench.tasks(1)
    segmenter, loader = service.segmenter, service.pages.load_image
    context = service.resolve_context(PROJECT, ProjectSettings())
    control = read_controls(config_of(LABELS))[0]
    labels = labels_for(control, {})
    words, method, settings = (
        vocabulary_of(labels, context.settings),
        context.method,
        context.settings,
    )
    times: dict[str, float] = {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        began_s = time.perf_counter()
        found = call()
        times[name] = time.perf_counter() - began_s
        return found

    def regions() -> list[Any]:
        return [
            encode_regions(control, labels[one.label_index], one.mask, one.score, region_id="r")
            for one in shown_regions(found, control, labels, settings)
        ]

    data, kind = timed("fetch", lambda: loader.fetch_bytes(task["data"]["image"]))
    image = timed("decode", lambda: decode_image(data, loader.decode_limits(), content_type=kind))
    (features,) = timed("vision transformer", lambda: segmenter.encode([image], method, words))
    probs = timed("logits", lambda: segmenter.patch_probs(features, image, words, method))
    device = segmenter.refining_device
    timed("edges (CRF)", lambda: label_pixels(probs, image, method.decision, None, device))
    found = timed("whole", lambda: segmenter.segment(features, image, words, method))
    # What `segment` does beside the two before it.
    times["thresholds, scores"] = times.pop("whole") - times["logits"] - times["edges (CRF)"]
    timed("regions (RLE)", regions)
    return times


def print_stages(bench: Bench, count: int) -> None:
    rows = [stage_seconds(bench) for _ in range(count)]
    medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    total_s = sum(medians.values())
    print(
        f"\nShares of the wall time of a task, medians of {count}\n\n| stage | share |\n|---|---|"
    )
    for name, took_s in medians.items():
        print(f"| {name} | {took_s / total_s:.1%} |", flush=True)


def print_overlap(bench: Bench, count: int, repeats: int, parallel: Sequence[int]) -> None:
    times: dict[int, list[float]] = {n: [] for n in parallel}
    for _ in range(repeats):
        for n, found in times.items():
            annotator = replace(bench.annotator, parallel_tasks=n)
            found.append(bench.seconds(bench.tasks(count), annotator=annotator))
    base = statistics.median(times[parallel[0]])
    print(f"\nOne request of {count} tasks, {repeats} in turns\n")
    print(f"| tasks at once | time, of that with {parallel[0]} |\n|---|---|")
    for n, found in times.items():
        print(f"| {n} | {statistics.median(found) / base:.2f} |")


def print_click(bench: Bench, count: int) -> None:
    """A click on a photo that was opened before, alone and while a request of many tasks runs."""
    (opened,) = bench.tasks(1)
    bench.seconds([opened])
    prompt = {
        "type": "keypointlabels", "from_name": "key", "to_name": "image", "id": "k", "value": CLICK,
        "is_positive": True, "original_width": 1024, "original_height": 768,
    }  # fmt: skip

    def click() -> float:
        return bench.seconds([opened], context={"result": [prompt]})

    click()
    alone = statistics.median(click() for _ in range(5))
    batch = threading.Thread(target=bench.seconds, args=(bench.tasks(count),))
    batch.start()
    beside: list[float] = []
    while batch.is_alive() and len(beside) < 20:
        beside.append(click())
        time.sleep(0.2)
    batch.join()
    print(
        f"\nA click beside a request of {count} tasks takes {statistics.median(beside) / alone:.1f}"
    )
    print(
        f"times as long as alone (median of {len(beside)}; the slowest {max(beside) / alone:.1f})"
    )


def print_growth(bench: Bench, repeats: int) -> None:
    """In CPU time of the process, which scatters: the smallest is asked around the others."""

    def cpu_seconds(tasks: list[dict[str, Any]], labels: Sequence[str] = LABELS) -> float:
        began_s = time.process_time()
        bench.seconds(tasks, labels=labels)
        return time.process_time() - began_s

    def of_pixels(factor: int) -> float:
        side = factor**0.5
        return cpu_seconds(bench.tasks(1, (round(512 * side), round(384 * side))))

    def of_labels(factor: int) -> float:
        return cpu_seconds(bench.tasks(1), [f"thing {n}" for n in range(4 * factor)])

    def of_tasks(factor: int) -> float:
        return cpu_seconds(bench.tasks(factor))

    rows: dict[str, Callable[[int], float]] = {
        "pixels, from 512 x 384": of_pixels,
        "labels, from 4": of_labels,
        "tasks, from 1": of_tasks,
    }
    print(
        "\nCPU time of a request, of that of the smallest\n\n"
        "| times as many | 4 | 16 |\n|---|---|---|"
    )
    for name, ask in rows.items():
        if ask is of_labels:
            for factor in (1, 4, 16):
                ask(factor)  # with new labels their words are embedded first
        times: dict[int, list[float]] = {1: [], 4: [], 16: []}
        for _ in range(repeats):
            for n in (1, 4, 1, 16, 1):
                times[n].append(ask(n))
        found = {n: statistics.median(one) for n, one in times.items()}
        print(f"| {name} | {found[4] / found[1]:.1f} | {found[16] / found[1]:.1f} |", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--delay-s", type=float, default=0.3, help="of the web server, for each")
    options.add_argument("--size", type=int, nargs=2, default=(1024, 768), metavar="PX")
    options.add_argument("--tasks", type=int, default=16, help="of a request of many")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--parallel", type=int, nargs="+", default=(2, 6), metavar="N")
    options.add_argument("--only", nargs="+", default=("stages", "overlap", "click", "growth"))
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder), learn="off", image_hosts_allowed=("127.0.0.1",),
            predict_budget_s=3600.0, precision="float32",
        )  # fmt: skip
        service = Service(settings)
        service.load_model()
        bench = Bench(service, PhotoServer(chosen.delay_s), tuple(chosen.size))
        bench.seconds(bench.tasks(1))
        tables: dict[str, Callable[[], None]] = {
            "stages": lambda: print_stages(bench, chosen.tasks),
            "overlap": lambda: print_overlap(
                bench, chosen.tasks, chosen.repeats, tuple(chosen.parallel)
            ),
            "click": lambda: print_click(bench, chosen.tasks),
            "growth": lambda: print_growth(bench, chosen.repeats),
        }
        for name in chosen.only:
            tables[name]()
        service.store.close()


if __name__ == "__main__":
    main()

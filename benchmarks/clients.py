"""What many clients get of one service, beside one client that asks for as much at once.

`python -m benchmarks.clients`: first what the batcher adds to an image that comes alone; then 16
clients of single images beside one request of 16, by a pretended GPU (a batch sleeps 20 ms, and
5 ms for each image), where only the filling of batches counts; then both by the real service with
the starter. Each is a ratio of times that were taken in turns; other programs on the machine blur
those of the real model.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from backend.prediction.batcher import Batcher
from backend.service import Service
from backend.settings import Settings
from benchmarks.photo_server import PhotoServer
from benchmarks.stages import Bench
from model import Vocabulary

CLIENTS = 16
BATCH_S, IMAGE_S = 0.020, 0.005  # of the pretended GPU
IMAGE = np.zeros((64, 64, 3), np.uint8)
WORDS = Vocabulary.of(["thing"])


def seconds_of(call: Callable[[], Any]) -> float:
    began_s = time.perf_counter()
    call()
    return time.perf_counter() - began_s


def pretended_gpu(images: Sequence[Any], *_: Any) -> list[Any]:
    time.sleep(BATCH_S + IMAGE_S * len(images))
    return [None for _ in images]


def encoded_at_once(images: Sequence[Any], *_: Any) -> list[Any]:
    return [None for _ in images]


def print_batcher(repeats: int) -> None:
    """The median of many calls, whose encoder takes no time."""
    print(
        "\nWhat the batcher adds to an image that comes alone\n\n| batch waits | adds |\n|---|---|"
    )
    for wait_ms in (0, 4):
        with closing(Batcher(encoded_at_once, max_images=8, wait_s=wait_ms / 1000)) as batcher:
            method: Any = "method"
            times = [seconds_of(partial(batcher, IMAGE, method, WORDS)) for _ in range(repeats)]
        print(f"| {wait_ms} ms | {1000 * statistics.median(times):.2f} ms |", flush=True)


def print_pretended(rounds: int, repeats: int) -> None:
    method: Any = "method"
    with (
        closing(Batcher(pretended_gpu, max_images=8, wait_s=0.004)) as batcher,
        ThreadPoolExecutor(CLIENTS) as threads,
    ):

        def client(_: int) -> None:
            for _ in range(rounds):
                batcher(IMAGE, method, WORDS)

        def batch() -> None:
            for _ in range(rounds):
                list(threads.map(lambda _: batcher(IMAGE, method, WORDS), range(CLIENTS)))

        pairs = [
            (seconds_of(batch), seconds_of(lambda: list(threads.map(client, range(CLIENTS)))))
            for _ in range(repeats)
        ]
    print_ratio("a pretended GPU", pairs)


def print_real(bench: Bench, repeats: int) -> None:
    with ThreadPoolExecutor(CLIENTS) as threads:

        def alone() -> None:
            list(threads.map(lambda one: bench.seconds([one]), bench.tasks(CLIENTS)))

        pairs = [
            (seconds_of(lambda: bench.seconds(bench.tasks(CLIENTS))), seconds_of(alone))
            for _ in range(repeats)
        ]
    print_ratio("the starter", pairs)


def print_ratio(what: str, pairs: Sequence[tuple[float, float]]) -> None:
    shares = sorted(batch / clients for batch, clients in pairs)
    print(
        f"\n{CLIENTS} clients of single images, by {what}, have {statistics.median(shares):.0%} of "
        f"the throughput of one request of {CLIENTS} (median of {len(pairs)}, {shares[0]:.0%} to "
        f"{shares[-1]:.0%})",
        flush=True,
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", nargs="+", default=("batcher", "pretended", "real"))
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--size", type=int, nargs=2, default=(512, 384), metavar="PX")
    chosen = options.parse_args()
    size_wh = (chosen.size[0], chosen.size[1])
    if "batcher" in chosen.only:
        print_batcher(300)
    if "pretended" in chosen.only:
        print_pretended(20, chosen.repeats)
    if "real" in chosen.only:
        with tempfile.TemporaryDirectory() as folder:
            service = Service(
                Settings(
                    data_dir=Path(folder), learn="off", image_hosts_allowed=("127.0.0.1",),
                    predict_budget_s=3600.0, precision="float32",
                )
            )  # fmt: skip
            service.load_model()
            bench = Bench(service, PhotoServer(0.0), size_wh)
            bench.seconds(bench.tasks(1))
            print_real(bench, chosen.repeats)
            service.store.close()


if __name__ == "__main__":
    main()

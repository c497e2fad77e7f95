"""What several worker processes give on one machine: `python -m benchmarks.workers`.

It starts `python -m backend serve` with the starter for each number of WORKERS in turn, and with
one again at the end, which shows by how much the machine itself varied. 16 clients ask for one
image after the other until each image was asked for once, which the model's work decides, and then
once more for the same images, whose features are kept: what is left is Python, scoring and edges.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests

from benchmarks.load import memory_mb, service
from benchmarks.load_clients import Client, Seen, photo_uris

CLIENTS = 16


@dataclass(frozen=True)
class Measured:
    new: float  # images a second
    kept: float  # images a second whose features are kept
    memory_mb: int  # of all workers together, resident
    n_bad: int  # answers that were refused, failed, or others than those of the first service


def images_a_second(client: Client, n_images: int) -> float:
    began_s = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(lambda number: client.predict("task", "task", [number]), range(n_images)))
    return n_images / (time.perf_counter() - began_s)


def wait_until_all_are_ready(url: str, n_workers: int) -> None:
    while (
        n_workers > 1
        and requests.get(f"{url}/ready", timeout=5).json()["workers"]["ready"] < n_workers
    ):
        time.sleep(0.5)


def measure(n_workers: int, uris: list[str], answers: dict[str, Any]) -> Measured:
    with service(WORKERS=str(n_workers)) as (url, pid):
        wait_until_all_are_ready(url, n_workers)
        client = Client(url, uris, Seen(), answers)
        client.setup()
        new, kept = (images_a_second(client, len(uris)) for _ in range(2))
        seen, asked = client.seen, 2 * len(uris)
        n_bad = asked - len(seen.seconds["task"]) + seen.wrong.total() + seen.failed_tasks.total()
        return Measured(new, kept, memory_mb(pid)["service"], n_bad)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--workers", type=int, nargs="+", default=(1, 2, 3, 4, 1))
    options.add_argument("--size", type=int, nargs=2, default=(512, 384), metavar="PX")
    options.add_argument("--cuts", type=int, default=16, help="images of each of the four photos")
    chosen = options.parse_args()
    width_px, height_px = chosen.size
    uris = photo_uris((width_px, height_px), chosen.cuts)
    answers: dict[
        str, Any
    ] = {}  # of the first service, which those of the others are compared with
    print(f"{CLIENTS} clients, {len(uris)} images of {width_px} x {height_px} px\n")
    print("| WORKERS | new images a second | once more | MB | refused, failed or other |")
    print("|---|---|---|---|---|")
    first: Measured | None = None
    for n_workers in chosen.workers:
        found = measure(n_workers, uris, answers)
        first = first or found
        new = f"{found.new:.2f} ({found.new / first.new:.2f})"
        kept = f"{found.kept:.2f} ({found.kept / first.kept:.2f})"
        print(f"| {n_workers} | {new} | {kept} | {found.memory_mb} | {found.n_bad} |", flush=True)


if __name__ == "__main__":
    main()

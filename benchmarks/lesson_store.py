"""What a correction costs a project that knows many: `python -m benchmarks.lesson_store`.

Corrections a second, bytes sent to the store for each, and the time to read the version that they
lead to. Small lessons (4 patches) in an embedded Valkey; making lessons is not part of it.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from backend.memory.lesson_index import Limits
from backend.memory.lesson_store import LessonStore, NewLesson
from backend.store.store import Store, open_store
from model import Lesson

N_MEASURED = 100
NO_LIMITS = Limits(max_annotations=10**6, max_bytes=10**12)


def make_lesson(seed: int) -> NewLesson:
    random = torch.Generator().manual_seed(seed)
    keys = torch.randn(4, 384, generator=random).half()
    owners = torch.tensor([0, 0, 1, -1], dtype=torch.int16)
    masses, was_wrong = torch.rand(4, generator=random), torch.zeros(4, dtype=torch.bool)
    lesson = Lesson("space", ("Cat", "Dog"), keys, owners, masses, was_wrong)
    return NewLesson("tag", 0, lesson)


def teach(lessons: LessonStore, project: str, numbers: range) -> float:
    """Seconds for one annotation of each number."""
    made = [make_lesson(n) for n in numbers]
    started_s = time.perf_counter()
    for n, lesson in zip(numbers, made, strict=True):
        lessons.teach(project, str(n), f"task {n}", n + 1, [lesson])
    return time.perf_counter() - started_s


def received_bytes(store: Store) -> int:
    info = store.run("measure", lambda client: client.info("stats"))
    return int(info["total_net_input_bytes"])


def measure(store: Store, n_annotations: int) -> None:
    lessons, project = LessonStore(store, limits=NO_LIMITS), f"{n_annotations}.1"
    teach(lessons, project, range(n_annotations))
    before_bytes = received_bytes(store)
    took_s = teach(lessons, project, range(n_annotations, n_annotations + N_MEASURED))
    kilobytes = (received_bytes(store) - before_bytes) / N_MEASURED / 1024
    started_s = time.perf_counter()
    version = lessons.index(project).version()
    read_ms = 1000 * (time.perf_counter() - started_s)
    assert version is not None
    rate = N_MEASURED / took_s
    print(f"| {n_annotations:,} | {rate:.0f} | {kilobytes:.1f} | {read_ms:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=int, nargs="+", default=[100, 1000, 10_000])
    sizes = parser.parse_args().annotations
    print(
        "| annotations | corrections a second | kB each | a version read, ms |\n|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(None, Path(folder))
        for n_annotations in sizes:
            measure(store, n_annotations)
        store.close()


if __name__ == "__main__":
    main()

"""Resident memory of a process that predicts with several threads, as malloc is set up or not.

    python -m benchmarks.resident --seconds 60

A row each 5 s for both, then what stays after the load; each in a process of its own. Photos are of
1 to 6 megapixels, requests come through the real routes.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from backend.allocator import give_freed_memory_back
from backend.http.app import create_app
from backend.service import Service
from backend.settings import Settings

SIZES_HW = ((1200, 1600), (768, 1024), (2000, 3000))
N_PHOTOS = 12
LABELS = ("cat", "dog", "car", "tree", "sky", "road", "person", "house")
CONFIG = (
    '<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">'
    + "".join(f'<Label value="{label}"/>' for label in LABELS)
    + "</BrushLabels></View>"
)


def resident_mb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20


def write_photos(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(N_PHOTOS):
        height_px, width_px = SIZES_HW[number % len(SIZES_HW)]
        coarse = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.jpg"), cv2.resize(coarse, (width_px, height_px)))


def measure(folder: Path, seconds: float, n_threads: int, *, is_set_up: bool) -> None:
    if is_set_up:
        give_freed_memory_back()
    write_photos(folder)
    service = Service(Settings(data_dir=folder, device="cpu", local_files_root=folder, learn="off"))
    service.load_model()
    app, n_done = create_app(service), [0] * n_threads
    print(f"loaded {resident_mb()} MB", flush=True)
    until_s = time.monotonic() + seconds

    def work(thread: int) -> None:
        client = app.test_client()
        while time.monotonic() < until_s:
            photo = (thread + n_done[thread]) % N_PHOTOS
            tasks = [{"id": photo, "data": {"image": f"{photo}.jpg"}}]
            body = {"tasks": tasks, "label_config": CONFIG, "project": "1.1"}
            client.post("/predict", json=body)
            n_done[thread] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(n_threads)]
    for one in threads:
        one.start()
    while any(one.is_alive() for one in threads):
        time.sleep(5)
        print(f"{sum(n_done):5} tasks  {resident_mb()} MB", flush=True)
    service.store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--malloc", choices=("default", "set-up"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.malloc:
        with tempfile.TemporaryDirectory() as folder:
            is_set_up = given.malloc == "set-up"
            measure(Path(folder), given.seconds, given.threads, is_set_up=is_set_up)
        return
    for malloc in ("default", "set-up"):
        print(f"malloc: {malloc}", flush=True)
        subprocess.run(
            [sys.executable, "-m", "benchmarks.resident", *sys.argv[1:], "--malloc", malloc],
            check=True,
        )


if __name__ == "__main__":
    main()

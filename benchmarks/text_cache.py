"""What a vocabulary's text embeds cost, by where they come from: `python -m benchmarks.text_cache`.

171 names (COCO-Stuff, where the list is at hand) x 80 templates, with the starter checkpoint, or
with random weights in its place where there is none: the time is the same.
"""

import argparse
import json
import logging
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

import model
from backend.prediction.text_cache import CachedTextEncoder
from backend.store.store import Store, StoreConfig, open_store
from benchmarks.datasets import DEFAULT_DATA
from model import TEMPLATES, CheckpointConfig, build_segmenter

STARTER = Path(model.__file__).parent / "starter" / "starter.json"
CLASS_LIST = DEFAULT_DATA / "classlists" / "cls_coco_stuff.txt"
COLORS = ("red", "blue", "green", "black", "white", "yellow", "brown", "gray", "pink")
NOUNS = (
    "car chair leaf wall dog road bottle shirt window table tree boat bag door cup lamp box hat bed"
)


def class_names() -> tuple[list[str], str]:
    """171 names, and where they are from."""
    if CLASS_LIST.is_file():
        lines = CLASS_LIST.read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if line.strip()], "COCO-Stuff"
    return [f"{color} {noun}" for color in COLORS for noun in NOUNS.split()], "built-in list"


def starter_or_random(folder: Path) -> CheckpointConfig:
    if STARTER.with_suffix(".safetensors").is_file():
        return CheckpointConfig("starter", device="cpu")
    torch.manual_seed(0)
    clip = open_clip.CLIP(**json.loads(STARTER.read_text(encoding="utf-8"))["model_cfg"])
    weights = folder / "random.safetensors"
    save_file({name: tensor.clone() for name, tensor in clip.state_dict().items()}, weights)
    return CheckpointConfig(str(STARTER), str(weights), device="cpu")


def milliseconds(call: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - started_s)


def row(what: str, ms: float, cold_ms: float, note: str = "") -> None:
    ratio = f"{cold_ms / ms:,.0f}x" if ms < cold_ms / 2 else ""
    print(f"{what:44}{ms:14,.3f}{ratio:>14}  {note}".rstrip(), flush=True)


def measure(config: CheckpointConfig, store: Store, repeats: int) -> None:
    names, origin = class_names()
    encoder = build_segmenter(config).encode_text
    encoder(["warm up"])  # the first call is slow
    print(f"{len(names)} names ({origin}) x {len(TEMPLATES['imagenet80'])} templates, ", end="")
    weights = "starter" if config.model == "starter" else "the starter's towers at random"
    print(f"{weights}, {torch.get_num_threads()} threads, medians of {repeats}\n")
    print(f"{'embeds come from':44}{'ms':>14}{'faster':>14}")

    cached = CachedTextEncoder(encoder, store)
    cold_ms = milliseconds(lambda: cached(names))
    row("the model, and go to the store (cold)", cold_ms, cold_ms, "once")

    def from_store_ms() -> float:
        restarted = CachedTextEncoder(encoder, store)
        taken_ms = milliseconds(lambda: restarted(names))
        if restarted.counts["hits_store"] != len(names):
            raise AssertionError(f"the store did not have them: {restarted.counts.as_dict()}")
        return taken_ms

    row("the store (a new process)", median(from_store_ms, repeats), cold_ms)
    row("this process", median(lambda: milliseconds(lambda: cached(names)), repeats), cold_ms)

    server = store.run("look", lambda client: client.info("server"))["process_id"]
    os.kill(server, signal.SIGSTOP)
    try:
        keys = [f"benchmark {n}" for n in range(len(names))]
        hung_ms = milliseconds(lambda: store.get_many(keys))
        row("nowhere: the store hangs, first request", hung_ms, cold_ms, "once, then not asked")
        lost_ms = median(lambda: milliseconds(lambda: store.get_many(keys)), repeats)
        row("nowhere: the store hangs, later requests", lost_ms, cold_ms)
        without = CachedTextEncoder(encoder, store)
        row("the model, without a store", milliseconds(lambda: without(names)), cold_ms, "once")
        kept_ms = median(lambda: milliseconds(lambda: without(names)), repeats)
        row("this process, without a store", kept_ms, cold_ms)
    finally:
        os.kill(server, signal.SIGCONT)


def median(measured: Callable[[], float], repeats: int) -> float:
    return statistics.median(measured() for _ in range(repeats))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    logging.disable()  # the lost store is told by the table
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(None, Path(folder), StoreConfig(first_pause_s=3600))
        try:
            measure(starter_or_random(Path(folder)), store, arguments.repeats)
        finally:
            store.close()


if __name__ == "__main__":
    main()

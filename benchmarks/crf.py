"""Refiners side by side: python -m benchmarks.crf [--limit 2] [--cache DIR]

One table: CPU time and its ratio to pydensecrf2, peak memory, agreement with the exact dense CRF,
and the gain in mIoU and boundary F-score over "none" on each set, from the probs of the
checkpoint and from blocky ones made of the truth. Every CRF has the same parameters.

Exact means all pairs of pixels at full resolution, which grows with the square of their number: so
agreement is measured on images shrunk to --exact-pixels. pydensecrf2 is optional.
"""

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.crf_peers import HAS_PYDENSECRF, pydensecrf, truncated
from benchmarks.datasets import TABLE_SETS, add_data_arguments, chosen_sets
from benchmarks.refining import Score, add_source_arguments, inputs, sources
from model.refine.crf import MIN_PROB, CrfConfig
from model.refine.refiners import ABSENT_PROB, REFINERS, refine_to_labels
from model.refine.tiles import classes_above, resize

# Probs (K, h, w) and an image (3, H, W) uint8 -> class indices (H, W).
Labeller = Callable[[Tensor, Tensor], Tensor]
DEFAULTS = CrfConfig()
REFERENCE = "pydensecrf2"


def main() -> None:
    arguments = parse_arguments()
    sets = chosen_sets(arguments, default=TABLE_SETS)
    torch.set_num_threads(arguments.threads)
    labellers = all_labellers(arguments.skip)
    made = sources(arguments)
    scores: dict[str, dict[str, Score]] = {}
    seconds: dict[str, list[float]] = {label: [] for label in labellers}
    agreement: dict[str, list[float]] = {label: [] for label in labellers}
    peak_mb: dict[str, float] = {}
    for source_name, source in made.items():
        for data in sets:
            of_set = {label: Score(len(data.class_names)) for label in labellers}
            for number, (sample, image, probs) in enumerate(inputs(data, source, arguments.limit)):
                for label, labeller in labellers.items():
                    if label not in peak_mb:
                        peak_mb[label] = peak_of(labeller, probs, image)
                    started_s = time.process_time()
                    answer = labeller(probs, image)
                    seconds[label].append(time.process_time() - started_s)
                    of_set[label].add(sample.truth, answer.numpy())
                if number < arguments.exact_images:
                    add_agreement(agreement, labellers, probs, image, arguments.exact_pixels)
            scores[f"{source_name} {data.name.split('/')[0]}"] = of_set
    print(f"{DEFAULTS}\n{torch.get_num_threads()} threads; gains in points of mIoU / boundary F")
    print_table(scores, seconds, agreement, peak_mb)


def all_labellers(skip: list[str]) -> dict[str, Labeller]:
    labellers: dict[str, Labeller] = {name: refiner_labels(name) for name in REFINERS}
    labellers["crf, last step full size"] = lambda probs, image: refine_to_labels(
        "crf", probs, image, replace(DEFAULTS, intermediate_pixels=image.shape[1] * image.shape[2])
    )[0]
    labellers["truncated 11 x 11"] = lambda probs, image: peer(truncated, probs, image)
    if HAS_PYDENSECRF:
        labellers[REFERENCE] = lambda probs, image: peer(pydensecrf, probs, image)
    return {label: labeller for label, labeller in labellers.items() if label not in skip}


def refiner_labels(name: str) -> Labeller:
    return lambda probs, image: refine_to_labels(name, probs, image)[0]


def peer(
    refine: Callable[[Tensor, NDArray[np.uint8], CrfConfig], Tensor], probs: Tensor, image: Tensor
) -> Tensor:
    """A peer's labels (H, W), of the same classes that ours keeps, from the same unary."""
    kept = classes_above(probs, ABSENT_PROB)
    size_hw = (image.shape[1], image.shape[2])
    unary = resize(probs[kept], size_hw).clamp_min(MIN_PROB).log()
    return kept[refine(unary, image.permute(1, 2, 0).numpy(), DEFAULTS).argmax(dim=0)]


def add_agreement(
    agreement: dict[str, list[float]],
    labellers: dict[str, Labeller],
    probs: Tensor,
    image: Tensor,
    pixels: int,
) -> None:
    """The share of pixels of the same class as by the exact CRF, of those that it changes."""
    factor = min(1.0, (pixels / (image.shape[1] * image.shape[2])) ** 0.5)
    size_hw = (round(image.shape[1] * factor), round(image.shape[2] * factor))
    small = resize(image, size_hw).round().to(torch.uint8)
    all_pixels = size_hw[0] * size_hw[1]
    everything = replace(DEFAULTS, working_pixels=all_pixels, intermediate_pixels=all_pixels)
    exact = refine_to_labels("crf", probs, small, everything)[0]
    changed = exact != refine_to_labels("none", probs, small)[0]
    if changed.any():
        for label, labeller in labellers.items():
            same = labeller(probs, small)[changed] == exact[changed]
            agreement[label].append(float(same.float().mean()))


def peak_of(labeller: Labeller, probs: Tensor, image: Tensor) -> float:
    """Megabytes that one call takes beyond what the process has, seen from a fork of it."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)

    def child() -> None:
        torch.set_num_threads(1)  # a fork has none of its parent's threads, and would wait for them
        before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        labeller(probs, image)
        send.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb)

    process = context.Process(target=child)
    process.start()
    peak_mb = float(receive.recv())
    process.join()
    return peak_mb


def print_table(
    scores: dict[str, dict[str, Score]],
    seconds: dict[str, list[float]],
    agreement: dict[str, list[float]],
    peak_mb: dict[str, float],
) -> None:
    titles = "".join(f" {name[:17]:>17} |" for name in scores)
    print(f"| {'refiner':24} | CPU s | of {REFERENCE} | peak MB | as exact |{titles}")
    reference_s = np.mean(seconds[REFERENCE]) if REFERENCE in seconds else np.nan
    for label, own in seconds.items():
        cells = ""
        for of_set in scores.values():
            none, score = of_set["none"], of_set[label]
            pair = (score.miou, score.boundary_f)
            if label != "none":
                pair = (score.miou - none.miou, score.boundary_f - none.boundary_f)
            sign = "" if label == "none" else "+"
            cells += f" {pair[0]:{sign}8.1f}{pair[1]:{sign}9.1f} |"
        agrees = f"{100 * np.mean(agreement[label]):7.1f}%" if agreement[label] else "       -"
        print(
            f"| {label:24} | {np.mean(own):5.2f} | {np.mean(own) / reference_s:14.2f} "
            f"| {peak_mb[label]:7.0f} | {agrees} |{cells}"
        )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crf")
    add_data_arguments(parser)
    parser.set_defaults(limit=2)
    add_source_arguments(parser)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--exact-images", type=int, default=1, help="so many of each set")
    parser.add_argument("--exact-pixels", type=int, default=120 * 120)
    parser.add_argument("--skip", action="append", default=[], help="a row to leave out")
    return parser.parse_args()


if __name__ == "__main__":
    main()

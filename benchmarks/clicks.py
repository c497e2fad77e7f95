"""Clicks that a mask takes, beside methods that use colors alone.

    python -m benchmarks.clicks                    all sets, 40 objects each
    python -m benchmarks.clicks --objects 10 --pictures clicks/

The literature's protocol: the next click goes to the middle of the largest error, on the thing if
it was missed, off it if it was painted by mistake. An object is a connected part of one class with
at least 0.5% of the image. Images are shrunk to 512 pixels for all methods alike.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import random_walker

from benchmarks.datasets import IGNORE, MeasuringSet, add_data_arguments, chosen_sets
from benchmarks.measuring import (
    add_checkpoint_arguments,
    has_background,
    load_segmenter,
    vocabulary_of,
)
from model import METHODS, DenseFeatures, PointPrompt, Segmenter

METHOD = METHODS["firstpass"]
MAX_CLICKS = 10
LONG_SIDE_PX = 512
SMALLEST_SHARE = 0.005
FIRST_AREA, SURE_AREA = 0.08, 0.02  # radii for GrabCut, of the long side
BETA = 130  # of the random walker, skimage's own


@dataclass(frozen=True, eq=False)
class Thing:
    image: NDArray[np.uint8]  # (H, W, 3)
    truth: NDArray[np.bool_]  # (H, W) bool
    ignored: NDArray[np.bool_]  # (H, W) bool
    label: int  # index into the vocabulary
    features: DenseFeatures


Method = Callable[[Thing, Sequence[PointPrompt]], NDArray[np.bool_]]


def main() -> None:
    arguments = parse_arguments()
    sets = chosen_sets(arguments)
    segmenter = load_segmenter(arguments)
    columns = "clicks to 0.7   to 0.8   IoU at 1       3       5      10   ms"
    for data in sets:
        things = list(things_of(segmenter, data, arguments.objects))
        if not things:
            print(f"\n{data.name}: none of these images has an object of a labeled class")
            continue
        print(f"\n{data.name}, {len(things)} objects\n  {'':16} {columns}")
        methods: dict[str, Method] = {
            "firstpass": firstpass(segmenter, data),
            "GrabCut": grab_cut,
            "random walker": walk_colors,
        }
        for name, method in methods.items():
            started_s = time.process_time()
            runs = np.array([simulate(method, thing) for thing in things])
            spent_ms = 1000 * (time.process_time() - started_s) / runs.size
            at = " ".join(f"{runs[:, clicks - 1].mean():7.3f}" for clicks in (1, 3, 5, 10))
            needed = [clicks_to(runs, 0.7), clicks_to(runs, 0.8)]
            print(f"  {name:16} {needed[0]:13.2f} {needed[1]:8.2f}  {at} {spent_ms:4.0f}")
        if arguments.pictures:
            show(methods, things, arguments.pictures / data.folder.name)


def things_of(segmenter: Segmenter, data: MeasuringSet, count: int) -> Iterator[Thing]:
    """One object of each of `count` images, evenly spread; which one is drawn by a fixed seed."""
    generator = np.random.default_rng(0)
    shift = int(has_background(data.class_names))
    for stem in data.spread(count):
        sample = data.load(stem)
        scale = min(1.0, LONG_SIDE_PX / max(sample.truth.shape))
        size = tuple(max(1, round(side * scale)) for side in sample.truth.shape[::-1])
        truth = cv2.resize(sample.truth, size, interpolation=cv2.INTER_NEAREST)
        parts = [
            (int(number) - shift, part)
            for number in np.unique(truth)
            if shift <= number < IGNORE
            for part in parts_of(truth == number, SMALLEST_SHARE * truth.size)
        ]
        if parts:
            label, part = parts[generator.integers(len(parts))]
            (features,) = segmenter.encode([sample.image], METHOD)
            image = cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
            yield Thing(image, part, truth == IGNORE, label, features)


def parts_of(mask: NDArray[np.bool_], smallest: float) -> list[NDArray[np.bool_]]:
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return [parts == i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= smallest]


def simulate(method: Method, thing: Thing) -> list[float]:
    """IoU after each click."""
    mask = np.zeros_like(thing.truth)
    prompts: list[PointPrompt] = []
    ious: list[float] = []
    for _ in range(MAX_CLICKS):
        click = next_click(mask, thing)
        if click is None:  # nothing is wrong
            return ious + [1.0] * (MAX_CLICKS - len(ious))
        prompts.append(click)
        mask = method(thing, prompts)
        answer, truth = mask & ~thing.ignored, thing.truth & ~thing.ignored
        ious.append(float((answer & truth).sum() / max(1, (answer | truth).sum())))
    return ious


def next_click(mask: NDArray[np.bool_], thing: Thing) -> PointPrompt | None:
    """In the middle of the largest error: at its pixel that lies farthest from its rim."""
    wrong = ((mask ^ thing.truth) & ~thing.ignored).astype(np.uint8)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(wrong, connectivity=4)
    if len(stats) == 1:
        return None
    largest = parts == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
    depth = cv2.distanceTransform(np.pad(largest, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    height, width = mask.shape
    return PointPrompt((x + 0.5) / width, (y + 0.5) / height, bool(thing.truth[y, x]))


def clicks_to(runs: NDArray[np.float64], iou: float) -> float:
    """Mean number of clicks until the IoU is reached; MAX_CLICKS where it never is."""
    reached = runs >= iou
    return float(np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, runs.shape[1]).mean())


def firstpass(segmenter: Segmenter, data: MeasuringSet) -> Method:
    vocabulary = vocabulary_of(data, "plain")

    def method(thing: Thing, prompts: Sequence[PointPrompt]) -> NDArray[np.bool_]:
        return segmenter.answer_prompts(
            thing.features, thing.image, prompts, vocabulary, thing.label, METHOD
        )[0]

    return method


def grab_cut(thing: Thing, prompts: Sequence[PointPrompt]) -> NDArray[np.bool_]:
    """OpenCV's GrabCut: sure discs at the clicks, a larger disc that may be the thing."""
    height, width = thing.truth.shape
    marks = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    for click in prompts:
        if click.is_positive:
            stamp(marks, click, FIRST_AREA, cv2.GC_PR_FGD)
    for click in prompts:
        stamp(marks, click, SURE_AREA, cv2.GC_FGD if click.is_positive else cv2.GC_BGD)
    behind, thing_model = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = cv2.cvtColor(thing.image, cv2.COLOR_RGB2BGR)
    cv2.grabCut(bgr, marks, (0, 0, 0, 0), behind, thing_model, 3, cv2.GC_INIT_WITH_MASK)
    return np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD))


def walk_colors(thing: Thing, prompts: Sequence[PointPrompt]) -> NDArray[np.bool_]:
    """scikit-image's random walker: discs at the clicks, and the image's rim is not the thing."""
    marks = np.zeros(thing.truth.shape, np.uint8)
    marks[[0, -1]] = 2
    marks[:, [0, -1]] = 2
    for click in prompts:
        stamp(marks, click, SURE_AREA / 2, 1 if click.is_positive else 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what could make it faster
        labels = random_walker(
            thing.image / 255, marks.astype(int), beta=BETA, mode="cg_j", channel_axis=2, tol=1e-2
        )
    mask: NDArray[np.bool_] = labels == 1
    return mask


def stamp(marks: NDArray[np.uint8], click: PointPrompt, radius: float, value: int) -> None:
    height, width = marks.shape
    center = min(width - 1, int(click.x * width)), min(height - 1, int(click.y * height))
    cv2.circle(marks, center, max(1, round(radius * max(height, width))), value, -1)


def show(methods: dict[str, Method], things: Sequence[Thing], folder: Path) -> None:
    """Draw the masks of all methods after three clicks, side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, thing in enumerate(things):
        panels = [outlined(thing.image, thing.truth, ())]
        for method in methods.values():
            mask, prompts = np.zeros_like(thing.truth), []
            for _ in range(3):
                click = next_click(mask, thing)
                prompts += [click] if click else []
                mask = method(thing, prompts)
            panels.append(outlined(thing.image, mask, prompts))
        cv2.imwrite(str(folder / f"{number:02}.jpg"), np.hstack(panels)[..., ::-1])


def outlined(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], prompts: Sequence[PointPrompt]
) -> NDArray[np.uint8]:
    panel = image.copy()
    panel[mask] = panel[mask] // 2 + np.array([127, 0, 0], np.uint8)
    for click in prompts:
        color = (0, 255, 0) if click.is_positive else (0, 0, 255)
        place = int(click.x * image.shape[1]), int(click.y * image.shape[0])
        cv2.circle(panel, place, 5, color, -1)
    return panel


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clicks")
    add_data_arguments(parser)
    add_checkpoint_arguments(parser)
    parser.add_argument(
        "--objects", type=int, default=40, help="images of each set, one object each"
    )
    parser.add_argument("--pictures", type=Path, help="folder for overlays after three clicks")
    return parser.parse_args()


if __name__ == "__main__":
    main()

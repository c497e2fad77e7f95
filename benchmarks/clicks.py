"""Clicks that a mask takes, beside methods that use colors alone.

    python -m benchmarks.clicks                    all sets, 40 objects each
    python -m benchmarks.clicks --objects 10 --pictures clicks/
    python -m benchmarks.clicks --lessons 10       after ten other images were corrected

The literature's protocol: the next click goes to the middle of the largest error, on the thing if
it was missed, off it if it was painted by mistake. An object is a connected part of one class with
at least 0.5% of the image. Images are shrunk to 512 pixels for all methods alike.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.click_peers import Method, Thing, grab_cut, walk_colors
from benchmarks.datasets import IGNORE, MeasuringSet, add_data_arguments, chosen_sets
from benchmarks.measuring import (
    add_checkpoint_arguments,
    has_background,
    load_segmenter,
    vocabulary_of,
)
from model import METHODS, Memory, PointPrompt, Segmenter, TaughtMask

METHOD = METHODS["firstpass"]
MAX_CLICKS = 10
LONG_SIDE_PX = 512
SMALLEST_SHARE = 0.005


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
        memory = memory_of(segmenter, data, arguments.lessons, arguments.objects)
        print(f"\n{data.name}, {len(things)} objects\n  {'':16} {columns}")
        methods: dict[str, Method] = {
            "firstpass": firstpass(segmenter, data, memory),
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


def memory_of(
    segmenter: Segmenter, data: MeasuringSet, n_lessons: int, objects: int
) -> Memory | None:
    """What the truth of so many images teaches, of which no object is clicked."""
    shift, clicked = int(has_background(data.class_names)), set(data.spread(objects))
    others = [stem for stem in data.stems if stem not in clicked]
    vocabulary, lessons = vocabulary_of(data, "plain"), []
    for index in range(min(n_lessons, len(others))):
        sample = data.load(others[index * len(others) // n_lessons])
        (features,) = segmenter.encode([sample.image], METHOD)
        masks = [sample.truth == number + shift for number in range(len(vocabulary.names))]
        taught = [
            TaughtMask(name, mask)
            for name, mask in zip(vocabulary.names, masks, strict=True)
            if mask.any()
        ]
        lessons.append(segmenter.learn(features, sample.image, taught, vocabulary, METHOD))
    return Memory.of(lessons)


def firstpass(segmenter: Segmenter, data: MeasuringSet, memory: Memory | None) -> Method:
    vocabulary = vocabulary_of(data, "plain")

    def method(thing: Thing, prompts: Sequence[PointPrompt]) -> NDArray[np.bool_]:
        return segmenter.answer_prompts(
            thing.features, thing.image, prompts, vocabulary, thing.label, METHOD, memory
        )[0]

    return method


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
    parser.add_argument(
        "--lessons", type=int, default=0, help="images of each set that were corrected before"
    )
    parser.add_argument("--pictures", type=Path, help="folder for overlays after three clicks")
    return parser.parse_args()


if __name__ == "__main__":
    main()

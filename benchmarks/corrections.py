"""What corrections teach: mIoU on untouched images, after so many others were corrected.

    python -m benchmarks.corrections                        all sets, three seeds
    python -m benchmarks.corrections --sets camvid --seeds 1 --limit 30
    python -m benchmarks.corrections --seeds 1 --order score
    python -m benchmarks.corrections --chart docs/learning.png --reliability docs/reliability.png

At full resolution, as a user sees it. Beside the judged answer stand the experts alone, and the
judged answer of lessons without the tower's middle block, as releases before 0.5.0 stored them.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.annotators import Project
from benchmarks.charts import Line, draw
from benchmarks.datasets import add_data_arguments, chosen_sets
from benchmarks.measuring import add_checkpoint_arguments, load_segmenter
from benchmarks.reliability import expected_error, reliability
from model import ExpertWeights, Lesson, Memory, MemoryConfig

STEPS = (1, 2, 5, 10, 20)
COMPARED = (10,)  # the steps at which the other variants are measured
JUDGED = "judged"
PATCHES = MemoryConfig(weights=ExpertWeights(words=0, patches=1, pixels=0, untaught=0))
PIXELS = MemoryConfig(weights=ExpertWeights(words=0, patches=0, pixels=1, untaught=0))
VARIANTS: dict[str, Callable[[Sequence[Lesson]], Memory | None]] = {
    JUDGED: Memory.of,
    "patches": lambda lessons: Memory.of(lessons, PATCHES),
    "pixels": lambda lessons: Memory.of(lessons, PIXELS),
    "last block": lambda lessons: Memory.of([one.without_middle() for one in lessons]),
}
WRONG_LESSONS = ("flood", "swap")


def main() -> None:
    arguments = parse_arguments()
    sets = chosen_sets(arguments)
    segmenter = load_segmenter(arguments)
    curves: list[Line] = []
    diagonals: list[Line] = []
    for data in sets:
        started_s = time.perf_counter()
        project = Project(segmenter, data, arguments.limit, is_by_score=arguments.order == "score")
        print(
            f"\n{data.name}: {len(project.studied)} images, seen in "
            f"{time.perf_counter() - started_s:.0f} s"
        )
        curve = learning(project, arguments.seeds, COMPARED if arguments.quick else STEPS)
        if arguments.quick:
            continue
        wrong_annotations(project, arguments.seeds)
        cost(project)
        curves.append(Line(data.name, curve))
        diagonals += calibration(project)
    if arguments.chart:
        draw(curves, arguments.chart, title="mIoU after so many corrected images")
    if arguments.reliability:
        draw(diagonals, arguments.reliability, title="share right at each prob", is_share=True)


def learning(project: Project, seeds: int, steps: Sequence[int]) -> list[tuple[float, float]]:
    """Print the table of one set, and give the curve of the judged answer."""
    table: dict[str, dict[int, list[float]]] = {name: {} for name in (*VARIANTS, "linear probe")}
    below = 0.0
    for seed in range(seeds):
        pool, untouched = project.split(seed)
        text_miou = project.miou(untouched, None)
        for name in VARIANTS:
            table[name].setdefault(0, []).append(text_miou)
        for step in steps:
            if not 0 < step <= len(pool):
                continue
            lessons = [project.lesson(index) for index in pool[:step]]
            for name, remember in VARIANTS.items():
                if name != JUDGED and step not in COMPARED:
                    continue
                miou = project.miou(untouched, remember(lessons))
                table[name].setdefault(step, []).append(miou)
            below = min(below, table[JUDGED][step][-1] - text_miou)
            if step in COMPARED:
                probe = project.probe_miou(pool[:step], untouched)
                table["linear probe"].setdefault(step, []).append(probe)
    print("  " + " ".join(f"{step:>7}" for step in ("corrected", 0, *steps)))
    for name, row in table.items():
        cells = [f"{np.mean(row[step]):7.3f}" if step in row else "      -" for step in (0, *steps)]
        print(f"  {name:15}" + " ".join(cells))
    spread = [np.std(row) for row in table[JUDGED].values()]
    print(f"  largest std over seeds {max(spread):.3f}; deepest below no correction {below:.3f}")
    return [(float(step), float(np.mean(row))) for step, row in table[JUDGED].items()]


def wrong_annotations(project: Project, seeds: int) -> None:
    """Print what one wrong annotation among honest ones costs."""
    for step in COMPARED:
        losses: dict[str, list[float]] = {kind: [] for kind in WRONG_LESSONS}
        for seed in range(seeds):
            pool, untouched = project.split(seed)
            if step >= len(pool):
                break
            honest = [project.lesson(index) for index in pool[:step]]
            before = project.miou(untouched, Memory.of(honest))
            for kind in WRONG_LESSONS:
                wrong = project.wrong_lesson(pool[step], kind)
                after = project.miou(untouched, Memory.of([*honest, wrong]))
                losses[kind].append(1 - after / before)
        shown = [
            f"{kind} {np.mean(loss):+.1%} (worst {max(loss):+.1%})"
            for kind, loss in losses.items()
            if loss
        ]
        if shown:
            print(f"  one wrong annotation beside {step}: loses {', '.join(shown)}")


def cost(project: Project) -> None:
    """Print the seconds of learning, and of a prediction without and with a full memory."""
    lessons = [project.lesson(index) for index in range(len(project.studied))]
    config = MemoryConfig()
    while len(lessons) < 500:
        lessons = lessons + lessons
    started_s = time.perf_counter()
    memory = Memory.of(lessons[:500], config)
    project.segmenter.blend(project.vocabulary, project.method, memory)
    memory_s = time.perf_counter() - started_s
    one = project.studied[0]
    times: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(8):
        with_memory = bool(turn % 2)
        started_s = time.perf_counter()
        (features,) = project.segmenter.encode([one.image], project.method)
        project.segmenter.segment(
            features,
            one.image,
            project.vocabulary,
            project.method,
            memory if with_memory else None,
        )
        times[with_memory].append(time.perf_counter() - started_s)
    plain_s, taught_s = min(times[False]), min(times[True])
    print(
        f"  a lesson {np.median(project.learn_s):.3f} s, "
        f"{len(lessons[0].to_bytes()) / 1000:.0f} kB;"
        f" 500 lessons fitted and judged {memory_s:.1f} s;"
        f" prediction {plain_s:.2f} s, with it {taught_s:.2f} s ({taught_s / plain_s:.2f} times)"
    )


def calibration(project: Project) -> list[Line]:
    """Print how far probs are from the share that is right, before and after ten corrections."""
    pool, untouched = project.split(0)
    memory = Memory.of([project.lesson(index) for index in pool[:10]])
    lines = []
    for name, used in (("text", None), ("10 corrected", memory)):
        bins = reliability(project, untouched, used)
        print(f"  expected calibration error, {name}: {expected_error(bins):.3f}")
        lines.append(
            Line(
                f"{project.data.name}, {name}", [(b.prob, b.right) for b in bins if b.share > 0.01]
            )
        )
    return lines


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corrections")
    add_data_arguments(parser)
    add_checkpoint_arguments(parser)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--quick", action="store_true", help="the table after ten corrections alone"
    )
    parser.add_argument(
        "--order",
        choices=("random", "score"),
        default="random",
        help="which images are corrected first: any, or those of the lowest scores",
    )
    parser.add_argument("--chart", type=Path, help="where to draw the learning curve")
    parser.add_argument("--reliability", type=Path, help="where to draw the calibration plot")
    return parser.parse_args()


if __name__ == "__main__":
    main()

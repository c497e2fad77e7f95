"""The sweep that chose CrfConfig's numbers: what each setting gains over "none", set by set.

    python -m benchmarks.crf_sweep --limit 8 --vary appearance_weight=3,10 appearance_xy_std=.05,.1

Every combination of the varied fields is tried, on the checkpoint's probs and on blocky ones. A
setting is printed as its gain in mIoU and in boundary F-score (points), for each set; the last
columns are the worst and the mean of them all. "guided" and "pamr" are there to compare with.
"""

import argparse
from dataclasses import replace
from itertools import product

import numpy as np

from benchmarks.datasets import TABLE_SETS, MeasuringSet, add_data_arguments, chosen_sets
from benchmarks.refining import Score, Source, add_source_arguments, inputs, sources
from model.refine.crf import CrfConfig
from model.refine.refiners import RefinerConfig, refine_to_labels

GRID = (
    "appearance_weight=3,5,10",
    "appearance_xy_std=0.05,0.08,0.16",
)


def main() -> None:
    arguments = parse_arguments()
    candidates: dict[str, tuple[str, RefinerConfig | None]] = {
        "none": ("none", None),
        "guided": ("guided", None),
        "pamr": ("pamr", None),
    }
    for changes in combinations(arguments.vary):
        label = " ".join(f"{name}={value:g}" for name, value in changes.items())
        candidates[label] = ("crf", replace(CrfConfig(), **changes))  # type: ignore[arg-type]
    print(f"defaults: {CrfConfig()}")
    sets = chosen_sets(arguments, default=TABLE_SETS)
    made = sources(arguments)
    chosen = {name: made[name] for name in arguments.source or made}
    print_gains(score_all(candidates, chosen, sets, arguments.limit))


def combinations(varied: list[str]) -> list[dict[str, float]]:
    """["a=1,2", "b=3"] -> [{"a": 1, "b": 3}, {"a": 2, "b": 3}]"""
    names = [one.split("=")[0] for one in varied]
    values = [[float(text) for text in one.split("=")[1].split(",")] for one in varied]
    whole = {"iterations", "working_pixels", "intermediate_pixels"}
    return [
        {n: int(v) if n in whole else v for n, v in zip(names, row, strict=True)}
        for row in product(*values)
    ]


def score_all(
    candidates: dict[str, tuple[str, RefinerConfig | None]],
    chosen: dict[str, Source],
    sets: list[MeasuringSet],
    limit: int,
) -> dict[str, dict[str, Score]]:
    """Score by "source set", then by candidate."""
    scores: dict[str, dict[str, Score]] = {}
    for source_name, source in chosen.items():
        for data in sets:
            of_set = {label: Score(len(data.class_names)) for label in candidates}
            for sample, image, probs in inputs(data, source, limit):
                for label, (refiner, config) in candidates.items():
                    answer, _ = refine_to_labels(refiner, probs, image, config)
                    of_set[label].add(sample.truth, answer.numpy())
            scores[f"{source_name} {data.name.split('/')[0]}"] = of_set
            none = of_set["none"]
            print(f"{source_name} {data.name}: none has {none}")
            for label, score in of_set.items():
                print(f"  {label:44}{score}", flush=True)
    return scores


def print_gains(scores: dict[str, dict[str, Score]]) -> None:
    titles = "".join(f"{name[:21]:>23}" for name in scores)
    print(f"{'gain in mIoU, boundary':44}{titles}   worst mIoU  mean of both")
    for label in next(iter(scores.values())):
        gains = np.array(
            [
                (of_set[label].miou - of_set["none"].miou,
                 of_set[label].boundary_f - of_set["none"].boundary_f)
                for of_set in scores.values()
            ]
        )  # fmt: skip
        cells = "".join(f"{miou:+14.1f} {boundary:+8.1f}" for miou, boundary in gains)
        print(f"{label:44}{cells}{gains[:, 0].min():+13.1f}{gains.mean():+14.2f}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crf_sweep")
    parser.add_argument("--vary", nargs="+", default=GRID, help="fields of CrfConfig, as a=1,2")
    add_data_arguments(parser)
    parser.set_defaults(limit=12)
    add_source_arguments(parser)
    parser.add_argument("--source", action="append", help="the checkpoint's name, or blocky")
    return parser.parse_args()


if __name__ == "__main__":
    main()

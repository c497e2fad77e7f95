"""The sweep that chose CrfConfig's numbers: what each setting gains over "none", set by set.

    python -m benchmarks.crf_sweep --limit 8 --vary appearance_weight=3,10 appearance_xy_std=.05,.1

Every combination of the varied fields is tried, on the checkpoint's probs and on blocky ones. A
setting is printed as its gain in mIoU and in boundary F-score (points), for each set; the last
columns are the worst and the mean of them all. "guided" and "pamr" are there to compare with.
"""

import argparse
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.refining import SETS, Score, Source, inputs, sources
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
    made = sources(arguments.model, arguments.pretrained, arguments.cache)
    chosen = {name: made[name] for name in arguments.source or made}
    print_gains(score_all(candidates, chosen, arguments.limit))


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
    limit: int,
) -> dict[str, dict[str, Score]]:
    """Score by "source set", then by candidate."""
    scores: dict[str, dict[str, Score]] = {}
    for source_name, source in chosen.items():
        for data in SETS:
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
    parser.add_argument("--limit", type=int, default=12, help="so many images of each set; 0: all")
    parser.add_argument("--source", action="append", help="the checkpoint's name, or blocky")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--pretrained", default="")
    parser.add_argument("--cache", type=Path, help="a folder that keeps the checkpoint's probs")
    return parser.parse_args()


if __name__ == "__main__":
    main()

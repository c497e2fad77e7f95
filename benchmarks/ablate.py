"""What each idea is worth, and how `firstpass` stands beside the published methods.

    python -m benchmarks.ablate ladder --limit 20
    python -m benchmarks.ablate presets --limit 20

Plain names on every shared set, mIoU a set and their mean. `ladder`: from the vanilla last block to
the full method, one idea a row; then the full method without each idea alone; then with each idea
that it leaves off. `presets`: every method, all with the same automatic negatives.
"""

import argparse
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.datasets import MeasuringSet, shared_sets
from benchmarks.miou import measure, vocabulary_of
from model import METHODS, CheckpointConfig, Segmenter, SegmentSettings, build_segmenter

FULL = METHODS["firstpass"]


@dataclass(frozen=True)
class Row:
    name: str
    changes: dict[str, Any] = field(default_factory=dict)  # of the method
    auto_negatives: bool = True


VANILLA: dict[str, Any] = {
    "attention": "qk",
    "residual": True,
    "ffn": True,
    "positions": "offset",
    "glance_px": 0,
    "whole_share": 0.0,
    "core_above": 0.0,
    "presence_share": 0.0,
    "templates": "photo",
    "refiner": "none",
}
# Each row keeps the changes of the rows before it.
LADDER = (
    Row("vanilla last block", VANILLA, auto_negatives=False),
    Row("+ no residual, no feed-forward", {"residual": False, "ffn": False}, auto_negatives=False),
    Row("+ queries attend to queries", {"attention": "qq"}, auto_negatives=False),
    Row("+ each patch's own value", {"attention": "own value+qq"}, auto_negatives=False),
    Row("+ bicubic positions", {"positions": "bicubic"}, auto_negatives=False),
    Row("+ a glance at the whole", {"glance_px": FULL.glance_px}, auto_negatives=False),
    Row("+ 80 prompts", {"templates": FULL.templates}, auto_negatives=False),
    Row("+ automatic negatives"),
    Row("+ less of the whole", {"whole_share": FULL.whole_share}),
    Row("+ cores of labels", {"core_above": FULL.core_above}),
    Row("+ doubt of absent labels", {"presence_share": FULL.presence_share}),
    Row("+ refiner: the full method", {"refiner": FULL.refiner}),
)
WITHOUT = (
    Row("- no residual, no feed-forward", {"residual": True, "ffn": True}),
    Row("- queries attend to queries", {"attention": "own value"}),
    Row("- each patch's own value", {"attention": "qq"}),
    Row("- bicubic positions", {"positions": "offset"}),
    Row("- a glance at the whole", {"glance_px": 0}),
    Row("- overlap of windows", {"stride_px": FULL.window_px}),
    Row("- 80 prompts", {"templates": "photo"}),
    Row("- less of the whole", {"whole_share": 0.0}),
    Row("- cores of labels", {"core_above": 0.0}),
    Row("- doubt of absent labels", {"presence_share": 0.0}),
    Row("- automatic negatives", auto_negatives=False),
    Row("- refiner", {"refiner": "none"}),
)
LEFT_OFF = (
    Row("global-context fusion, 1/6", {"context_blocks": "emerging", "context_share": 1 / 6}),
    Row("global-context fusion, 1/3", {"context_blocks": "emerging", "context_share": 1 / 3}),
    Row("windows share keys and values, qq alone", {"stitch": True, "attention": "qq"}),
    Row("channel suppression", {"suppress_channels": True}),
    Row("neighbour Gaussian", {"gaussian_std": 5.0}),
    Row("keys attend to keys, too", {"attention": "own value+qq+kk"}),
    Row("orthogonal alignment", {"attention": "procrustes", "kk_share": 0.08}),
    Row("outlier repair by LOF", {"outliers": "lof"}),
    Row(
        "mid-layer coherence",
        {"attention": "coherent+qq", "coherence_block": 9, "attend_class": False},
    ),
    Row(
        "like patches gathered",
        {"coherence_block": 9, "alike_above": 0.6, "attend_class": False},
    ),
    Row("class token in the features", {"class_share": 0.1}),
    Row("class token in the logits", {"class_logit_share": 0.1}),
    Row("flipped view", {"flip_share": 0.5}),
    Row("automatic temperature", {"logit_scale": None}),
    Row("automatic thresholds", {"prob_threshold": None, "area_threshold": None}),
    Row("absent classes removed: peak", {"purifier": "peak", "purify_below": 0.3}),
    Row("absent classes removed: coherence", {"purifier": "coherence", "purify_below": 0.3}),
    Row("logits propagated", {"propagation_cells": 80}),
    Row("short side 448 px", {"short_side_px": 448}),
)


def main() -> None:
    arguments = parse_arguments()
    segmenter = build_segmenter(CheckpointConfig(arguments.model, arguments.pretrained))
    sets = [one for one in shared_sets() if one.name in (arguments.sets or [one.name])]
    print(f"{segmenter.version(SegmentSettings())}, {arguments.limit or 'all'} images a set")
    print_head({"ladder": "idea", "presets": "method"}[arguments.table], sets)
    if arguments.table == "ladder":
        print_ladder(segmenter, sets, arguments.limit, arguments.only)
    else:
        print_presets(segmenter, sets, arguments.limit, arguments.methods)


def print_head(first: str, sets: list[MeasuringSet]) -> None:
    names = " | ".join(one.name for one in sets)
    print(f"| {first} | {names} | mean | s an image |\n|---|" + "---|" * (len(sets) + 2))


def print_ladder(
    segmenter: Segmenter, sets: list[MeasuringSet], limit: int, only: str = ""
) -> None:
    """`only`: rows with this in their name."""
    rows: list[Row] = []
    changes: dict[str, Any] = {}
    for row in LADDER:
        changes = {**changes, **row.changes}
        rows.append(replace(row, changes=changes))
    rows += [*WITHOUT, *(replace(row, name=f"with {row.name}") for row in LEFT_OFF)]
    for row in rows:
        if only in row.name:
            print_row(segmenter, sets, row, limit)


def print_presets(
    segmenter: Segmenter, sets: list[MeasuringSet], limit: int, names: list[str]
) -> None:
    for name in names:
        print_row(segmenter, sets, Row(name, vars(METHODS[name])), limit)


def print_row(segmenter: Segmenter, sets: list[MeasuringSet], row: Row, limit: int) -> None:
    settings = SegmentSettings(replace(FULL, **row.changes))
    results = [
        measure(
            segmenter,
            one,
            vocabulary_of(one, "plain", auto_negatives=row.auto_negatives),
            settings,
            limit,
        )
        for one in sets
    ]
    cells = [f"{result.miou:.3f}" for result in results]
    mean = np.mean([result.miou for result in results])
    seconds = np.mean([second for result in results for second in result.seconds])
    print(f"| {row.name} | {' | '.join(cells)} | {mean:.3f} | {seconds:.2f} |", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablate")
    parser.add_argument("table", choices=("ladder", "presets"))
    parser.add_argument("--sets", nargs="+", help="names of shared sets; default: all")
    parser.add_argument("--only", default="", help="of the ladder: rows with this in their name")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), help="for presets")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--pretrained", default="")
    parser.add_argument("--limit", type=int, default=0, help="so many images of each set only")
    return parser.parse_args()


if __name__ == "__main__":
    main()

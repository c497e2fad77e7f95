"""What each part of `firstpass` is worth, and how it stands beside the published methods.

    python -m benchmarks.ablate ladder --limit 20
    python -m benchmarks.ablate presets --limit 20
    python -m benchmarks.ablate leave-one-out --limit 10 --cache DIR

Plain names on every set, mIoU of each set and their mean, all with the same automatic negatives.
`ladder`: from the vanilla last block to the full method, one part a row; then the full method
without each part; then with each part that it leaves off. `presets`: every method. `leave-one-out`:
`firstpass` with settings chosen without the set, beside every preset with the same refiner.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import MeasuringSet, add_data_arguments, chosen_sets
from benchmarks.held_out_sets import candidate_rows, chosen_without, preset_rows
from benchmarks.ladder import Row, ladder_rows
from benchmarks.measuring import (
    add_checkpoint_arguments,
    load_segmenter,
    measure,
    vocabulary_of,
    with_kept_features,
)
from model import METHODS, Segmenter


def main() -> None:
    arguments = parse_arguments()
    sets = chosen_sets(arguments)
    segmenter = with_kept_features(load_segmenter(arguments), arguments.cache)
    version = segmenter.version(METHODS["firstpass"])
    print(f"{version}, {arguments.limit or 'all'} images a set")
    if arguments.table == "ladder":
        rows: Iterable[Row] = (row for row in ladder_rows() if arguments.only in row.name)
        print_table("part", rows, segmenter, sets, arguments.limit)
    elif arguments.table == "presets":
        rows = (Row(name, METHODS[name]) for name in arguments.methods)
        print_table("method", rows, segmenter, sets, arguments.limit)
    else:
        candidates = candidate_rows()
        miou = print_table("settings", candidates, segmenter, sets, arguments.limit)
        chosen = miou[chosen_without(miou), range(len(sets))]
        print_row("chosen on the other sets", chosen)
        presets = preset_rows(arguments.methods)
        others = print_table("preset", presets, segmenter, sets, arguments.limit)
        best = others[others.mean(axis=1).argmax()]
        print_row("chosen, over the best preset", chosen / best, mean=chosen.mean() / best.mean())


def print_table(
    first: str, rows: Iterable[Row], segmenter: Segmenter, sets: list[MeasuringSet], limit: int
) -> NDArray[np.float64]:
    """Prints a row as soon as it is measured; returns mIoU (rows, sets)."""
    names = " | ".join(one.name for one in sets)
    print(f"\n| {first} | {names} | mean | s an image |\n|---|" + "---|" * (len(sets) + 2))
    table = []
    for row in rows:
        results = [
            measure(
                segmenter,
                one,
                vocabulary_of(one, "plain", auto_negatives=row.auto_negatives),
                row.method,
                limit,
            )
            for one in sets
        ]
        seconds = np.mean([second for result in results for second in result.seconds])
        miou = np.array([result.miou for result in results])
        print_row(row.name, miou, seconds=f"{seconds:.2f}")
        table.append(miou)
    return np.array(table)


def print_row(
    name: str, values: NDArray[np.float64], mean: float | None = None, seconds: str = ""
) -> None:
    cells = " | ".join(f"{value:.3f}" for value in values)
    average = values.mean() if mean is None else mean
    print(f"| {name} | {cells} | {average:.3f} | {seconds} |", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablate")
    parser.add_argument("table", choices=("ladder", "presets", "leave-one-out"))
    add_data_arguments(parser)
    add_checkpoint_arguments(parser)
    parser.add_argument("--only", default="", help="of the ladder: rows with this in their name")
    parser.add_argument(
        "--methods", nargs="+", default=list(METHODS), help="for presets and leave-one-out"
    )
    parser.add_argument("--cache", type=Path, help="folder for the features of images")
    return parser.parse_args()


if __name__ == "__main__":
    main()

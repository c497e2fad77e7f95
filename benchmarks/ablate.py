"""What each part of `firstpass` is worth, and how it stands beside the published methods.

    python -m benchmarks.ablate ladder --limit 20
    python -m benchmarks.ablate presets --limit 20

Plain names on every set, mIoU of each set and their mean. `ladder`: from the vanilla last block to
the full method, one part a row; then the full method without each part; then with each part that it
leaves off. `presets`: every method, all with the same automatic negatives.
"""

import argparse
from collections.abc import Iterable

import numpy as np

from benchmarks.datasets import MeasuringSet, add_data_arguments, chosen_sets
from benchmarks.ladder import Row, ladder_rows
from benchmarks.measuring import (
    add_checkpoint_arguments,
    load_segmenter,
    measure,
    vocabulary_of,
)
from model import METHODS, Segmenter


def main() -> None:
    arguments = parse_arguments()
    sets = chosen_sets(arguments)
    segmenter = load_segmenter(arguments)
    version = segmenter.version(METHODS["firstpass"])
    print(f"{version}, {arguments.limit or 'all'} images a set")
    if arguments.table == "ladder":
        rows: Iterable[Row] = (row for row in ladder_rows() if arguments.only in row.name)
        print_table("part", rows, segmenter, sets, arguments.limit)
    else:
        rows = (Row(name, METHODS[name]) for name in arguments.methods)
        print_table("method", rows, segmenter, sets, arguments.limit)


def print_table(
    first: str, rows: Iterable[Row], segmenter: Segmenter, sets: list[MeasuringSet], limit: int
) -> None:
    names = " | ".join(one.name for one in sets)
    print(f"| {first} | {names} | mean | s an image |\n|---|" + "---|" * (len(sets) + 2))
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
        cells = " | ".join(f"{result.miou:.3f}" for result in results)
        mean = np.mean([result.miou for result in results])
        seconds = np.mean([second for result in results for second in result.seconds])
        print(f"| {row.name} | {cells} | {mean:.3f} | {seconds:.2f} |", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablate")
    parser.add_argument("table", choices=("ladder", "presets"))
    add_data_arguments(parser)
    add_checkpoint_arguments(parser)
    parser.add_argument("--only", default="", help="of the ladder: rows with this in their name")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), help="for presets")
    return parser.parse_args()


if __name__ == "__main__":
    main()

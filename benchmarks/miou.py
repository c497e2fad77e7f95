"""mIoU of a method on measuring sets, and the pieces that people would have to fix.

    python -m benchmarks.miou --sets camvid
    python -m benchmarks.miou --data DIR --method naclip --refiner none

Plain names are what annotators type: the class names and nothing else. Official lists are what the
published methods use: synonyms, and words for the background. A class 0 called "background" is
never typed as a label: pixels that no label claims count as it.
"""

import argparse
from pathlib import Path

from backend.label_studio.project_settings import ProjectSettings
from benchmarks.datasets import add_data_arguments, chosen_sets
from benchmarks.measuring import (
    add_checkpoint_arguments,
    load_segmenter,
    measure,
    vocabulary_of,
    with_kept_features,
)
from model import METHODS, SegmentSettings


def main() -> None:
    arguments = parse_arguments()
    sets = chosen_sets(arguments)
    method = SegmentSettings(method=arguments.method, refiner=arguments.refiner).resolve()
    segmenter = with_kept_features(load_segmenter(arguments), arguments.cache)
    for data in sets:
        vocabulary = vocabulary_of(data, arguments.names, auto_negatives=not arguments.no_negatives)
        print(f"{data.name}: {segmenter.version(method)}, {arguments.names} names")
        measure(segmenter, data, vocabulary, method, arguments.limit, arguments.min_score).print()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.miou")
    add_data_arguments(parser)
    add_checkpoint_arguments(parser)
    parser.add_argument("--method", default="firstpass", help=f"one of {', '.join(METHODS)}")
    parser.add_argument("--refiner", help="default: the method's own")
    parser.add_argument("--names", choices=("plain", "official"), default="plain")
    parser.add_argument(
        "--min-score",
        type=float,
        default=ProjectSettings().min_score,
        help="regions of a lower one are left out in the last line",
    )
    parser.add_argument("--cache", type=Path, help="folder for the features of images")
    parser.add_argument("--no-negatives", action="store_true", help="no automatic negatives")
    return parser.parse_args()


if __name__ == "__main__":
    main()

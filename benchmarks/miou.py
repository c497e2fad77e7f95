"""mIoU of a method on a measuring set.

    python -m benchmarks.miou --data ../shared/data/camvid
    python -m benchmarks.miou --data ../shared/data/camvid --method naclip --refiner none
    python -m benchmarks.miou --data ../shared/data/camvid --ablate

Plain names are what annotators type: the class names and nothing else. Official lists are what the
published methods use: synonyms, and words for the background. A class 0 called "background" is
never typed as a label: pixels that no label claims count as it.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from benchmarks.datasets import SHARED, Confusion, MeasuringSet
from model import (
    METHODS,
    CheckpointConfig,
    ClassPrompt,
    Segmenter,
    SegmentSettings,
    Vocabulary,
    build_segmenter,
)

# Folder (and subset) -> file of SHARED/classlists with its synonyms and background words.
OFFICIAL_LISTS = {
    "coco_object_train": "cls_coco_object.txt",
    "coco_object_train/voc21": "cls_voc21.txt",
}


def main() -> None:
    arguments = parse_arguments()
    segmenter = build_segmenter(CheckpointConfig(arguments.model, arguments.pretrained))
    data = MeasuringSet(arguments.data, arguments.subset)
    if arguments.ablate:
        from benchmarks.ablate import print_head, print_ladder  # which measure with `measure`

        print_head("idea", [data])
        print_ladder(segmenter, [data], arguments.limit)
    vocabulary = vocabulary_of(data, arguments.names, auto_negatives=not arguments.no_negatives)
    settings = SegmentSettings(method=arguments.method, refiner=arguments.refiner)
    print(f"{data.name}: {segmenter.version(settings)}, {arguments.names} names")
    measure(segmenter, data, vocabulary, settings, arguments.limit).print()


class Result:
    def __init__(self, class_names: list[str]) -> None:
        self.class_names = class_names
        self.confusion = Confusion(len(class_names) + 1)  # the last: not labelled at all
        self.seconds: list[float] = []

    @property
    def miou(self) -> float:
        return self.confusion.miou

    def print(self) -> None:
        for name, iou in zip(self.class_names, self.confusion.iou, strict=False):
            if not np.isnan(iou):
                print(f"  {name:24} {iou:.3f}")
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"images={len(self.seconds)} mean_s={np.mean(self.seconds):.3f} peak_mb={peak_mb:.0f}"
        )
        print(f"mIoU={self.miou:.3f}")


def measure(
    segmenter: Segmenter,
    data: MeasuringSet,
    vocabulary: Vocabulary,
    settings: SegmentSettings,
    limit: int = 0,
) -> Result:
    """Segment every image (or `limit` of them, evenly spread) and compare with the truth."""
    names = data.class_names
    shift = has_background(names)  # the vocabulary lacks class 0
    result = Result(names)
    unlabelled = 0 if shift else len(names)
    for stem in data.spread(limit):
        sample = data.load(stem)
        started_s = time.perf_counter()
        answer = segmenter([sample.image], vocabulary, settings)[0].label_map
        result.seconds.append(time.perf_counter() - started_s)
        result.confusion.add(sample.truth, np.where(answer < 0, unlabelled, answer + shift))
    return result


def has_background(class_names: list[str]) -> bool:
    return class_names[0] == "background"


def vocabulary_of(data: MeasuringSet, names: str, *, auto_negatives: bool = True) -> Vocabulary:
    """`names`: "plain" or "official" (the published list, without automatic negatives)."""
    plain = data.class_names[has_background(data.class_names) :]
    if names == "plain":
        return Vocabulary(tuple(ClassPrompt(n) for n in plain), auto_negatives=auto_negatives)
    if data.name not in OFFICIAL_LISTS:
        raise ValueError(
            f"no official list for {data.name}; there is one for: {', '.join(OFFICIAL_LISTS)}"
        )
    text = (SHARED / "classlists" / OFFICIAL_LISTS[data.name]).read_text()
    rows = [
        [word.strip() for word in line.split(",")] for line in text.splitlines() if line.strip()
    ]
    background = tuple(rows.pop(0)) if has_background(data.class_names) else ()
    if len(rows) != len(plain):
        raise ValueError(
            f"{OFFICIAL_LISTS[data.name]} has {len(rows)} classes, {data.name} {len(plain)}"
        )
    classes = tuple(ClassPrompt(row[0], synonyms=tuple(row[1:])) for row in rows)
    return Vocabulary(classes, background=background, auto_negatives=False)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.miou")
    parser.add_argument("--data", type=Path, required=True, help="a measuring set's folder")
    parser.add_argument("--subset", default="", help="a second truth of that set, e.g. voc21")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--pretrained", default="")
    parser.add_argument("--method", default="firstpass", help=f"one of {', '.join(METHODS)}")
    parser.add_argument("--refiner", help="default: the method's own")
    parser.add_argument("--names", choices=("plain", "official"), default="plain")
    parser.add_argument("--no-negatives", action="store_true", help="no automatic negatives")
    parser.add_argument(
        "--ablate", action="store_true", help="first the ladder of ideas (benchmarks.ablate)"
    )
    parser.add_argument("--limit", type=int, default=0, help="so many images only")
    return parser.parse_args()


if __name__ == "__main__":
    main()

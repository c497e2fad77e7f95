"""What bfloat16 costs and gains on this device, beside float32.

    python -m benchmarks.precision --limit 6

For each set: how many pixels get the same label by both, mIoU of both, and how many times as fast
features are in bfloat16 (the images take turns; CPU time of the process, since other work on the
machine does not count into it).
"""

import argparse
import time
from dataclasses import replace

import numpy as np
import torch

from benchmarks.datasets import Confusion, MeasuringSet, add_data_arguments, chosen_sets
from benchmarks.measuring import KeptTexts, add_checkpoint_arguments, has_background, vocabulary_of
from model import CheckpointConfig, Segmenter, SegmentSettings, build_segmenter

PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    arguments = parse_arguments()
    sets = chosen_sets(arguments)
    segmenters = [
        build_segmenter(CheckpointConfig(arguments.model, arguments.pretrained, precision=name))
        for name in PRECISIONS
    ]
    kept = [replace(one, encode_text=KeptTexts(one.encode_text)) for one in segmenters]
    print("set, same pixels, mIoU in float32, in bfloat16, times as fast")
    for data in sets:
        same, first, second, speed_up = compare(kept, data, arguments.limit)
        print(f"{data.name:24} {same:8.4%} {first:.3f} {second:.3f} {speed_up:.2f}", flush=True)


def compare(
    segmenters: list[Segmenter], data: MeasuringSet, limit: int
) -> tuple[float, float, float, float]:
    """Share of pixels that are labeled alike, both mIoU, and the ratio of feature times."""
    method, vocabulary = SegmentSettings().resolve(), vocabulary_of(data, "plain")
    shift = has_background(data.class_names)
    unlabeled = 0 if shift else len(data.class_names)
    confusions = [Confusion(len(data.class_names) + 1) for _ in segmenters]
    feature_s = [0.0 for _ in segmenters]
    same = total = 0
    for stem in data.spread(limit):
        sample, answers = data.load(stem), []
        for index, segmenter in enumerate(segmenters):
            started_s = time.process_time()
            (features,) = segmenter.encode([sample.image], method, vocabulary)
            feature_s[index] += time.process_time() - started_s
            answer = segmenter.segment(features, sample.image, vocabulary, method).label_map
            answers.append(answer)
            confusions[index].add(sample.truth, np.where(answer < 0, unlabeled, answer + shift))
        same += int((answers[0] == answers[1]).sum())
        total += answers[0].size
    return same / total, confusions[0].miou, confusions[1].miou, feature_s[0] / feature_s[1]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision")
    add_data_arguments(parser)
    add_checkpoint_arguments(parser)
    torch.set_num_threads(1)
    return parser.parse_args()


if __name__ == "__main__":
    main()

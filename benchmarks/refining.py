"""What refiners are measured on, and how: probs of each set in, mIoU and boundary F-score out."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.blocky import blocky_probs
from benchmarks.boundary import boundary_f
from benchmarks.datasets import Confusion, MeasuringSet, Sample
from benchmarks.measuring import add_checkpoint_arguments, load_segmenter
from benchmarks.probs import method_probs
from model import SegmentSettings

# A source of probs (K, h, w) on the patch grid.
Source = Callable[[MeasuringSet, Sample], Tensor]


class Score:
    """mIoU of a whole set and the mean boundary F-score of its images, both in percent."""

    def __init__(self, n_classes: int) -> None:
        self.confusion = Confusion(n_classes + 1)  # the last: background, where it is no class
        self.boundary: list[float] = []

    def add(self, truth: NDArray[np.uint8], answer: NDArray[np.integer[Any]]) -> None:
        self.confusion.add(truth, answer)
        self.boundary.append(boundary_f(truth, answer))

    def __str__(self) -> str:
        return f"mIoU {self.miou:.1f}, boundary {self.boundary_f:.1f}"

    @property
    def miou(self) -> float:
        return 100 * self.confusion.miou

    @property
    def boundary_f(self) -> float:
        return 100 * float(np.nanmean(self.boundary))


def sources(arguments: argparse.Namespace) -> dict[str, Source]:
    """Where probs come from: a checkpoint through the shipped method, or the truth made blocky."""
    segmenter = load_segmenter(arguments)
    method, cache = SegmentSettings(refiner="none").resolve(), arguments.cache
    return {
        arguments.model: lambda data, sample: method_probs(segmenter, data, sample, method, cache),
        "blocky": lambda data, sample: blocky_probs(sample, len(data.class_names)),
    }


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    add_checkpoint_arguments(parser)
    parser.add_argument("--cache", type=Path, help="a folder that keeps the checkpoint's probs")


def inputs(
    data: MeasuringSet, source: Source, limit: int
) -> Iterator[tuple[Sample, Tensor, Tensor]]:
    """Sample, its image (3, H, W) uint8 and its probs (K, h, w); `limit` of them, 0: all."""
    for stem in data.spread(limit):
        sample = data.load(stem)
        yield sample, torch.from_numpy(sample.image).permute(2, 0, 1), source(data, sample)

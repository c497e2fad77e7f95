"""Class probs before any refiner, in a set's own class order, for what measures refiners alone.

The probs are the method's own, on the patch grid; they are kept in a folder, since the encoder
takes far longer than a refiner. They change with the checkpoint: its fingerprint is in the file's
name.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.datasets import MeasuringSet, Sample
from benchmarks.measuring import has_background, vocabulary_of
from model import MethodConfig, Segmenter


def method_probs(
    segmenter: Segmenter,
    data: MeasuringSet,
    sample: Sample,
    method: MethodConfig,
    cache: Path | None = None,
) -> Tensor:
    """Probs (K, h, w) on the patch grid, plain names; rows are the set's classes, and where it has
    no background class one more for the background."""
    name = f"{data.name}/{sample.stem}-{segmenter.version(method)}.npy".replace("/", "-")
    if cache is not None and (cache / name).exists():
        return torch.from_numpy(np.load(cache / name)).float()
    features = segmenter.encode([sample.image], method)[0]
    probs = segmenter.patch_probs(features, sample.image, vocabulary_of(data, "plain"), method)
    if has_background(data.class_names):  # class 0 of the set
        probs = probs.roll(1, dims=0)
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        np.save(cache / name, probs.half().numpy())
    return probs

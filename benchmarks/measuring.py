"""A segmenter on a measuring set: the checkpoint, the vocabulary, and mIoU of its masks."""

import argparse
import resource
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmarks.datasets import Confusion, MeasuringSet
from model import (
    CheckpointConfig,
    ClassPrompt,
    MethodConfig,
    Segmenter,
    TextEncoder,
    Vocabulary,
    build_segmenter,
)

# Name of a set -> file of classlists/ beside it, with its synonyms and background words.
OFFICIAL_LISTS = {
    "coco_object_train": "cls_coco_object.txt",
    "coco_object_train/voc21": "cls_voc21.txt",
}


class KeptTexts:
    """A text encoder that keeps all embeds: a set asks for the same words with every image."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.embed_dim, self.fingerprint = encoder.embed_dim, encoder.fingerprint
        self._encoder = encoder
        self._kept: dict[tuple[str, str], Tensor] = {}

    def __call__(self, texts: Sequence[str], templates: str = "imagenet80") -> Tensor:
        """Unit embeds (len(texts), embed_dim), float32 on the CPU."""
        missing = [text for text in dict.fromkeys(texts) if (text, templates) not in self._kept]
        for text, embed in zip(missing, self._encoder(missing, templates), strict=True):
            self._kept[text, templates] = embed
        rows = [self._kept[text, templates] for text in texts]
        return torch.stack(rows) if rows else torch.zeros(0, self.embed_dim)


def add_checkpoint_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="starter", help="as CLIP_MODEL")
    parser.add_argument("--pretrained", default="", help="as CLIP_PRETRAINED")


def load_segmenter(arguments: argparse.Namespace) -> Segmenter:
    """The segmenter of --model and --pretrained, which encodes each text once."""
    segmenter = build_segmenter(CheckpointConfig(arguments.model, arguments.pretrained))
    return replace(segmenter, encode_text=KeptTexts(segmenter.encode_text))


class Result:
    def __init__(self, class_names: list[str]) -> None:
        self.class_names = class_names
        self.confusion = Confusion(len(class_names) + 1)  # the last: not labeled at all
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
    method: MethodConfig,
    limit: int = 0,
) -> Result:
    """Segment every image (or `limit` of them, evenly spread) and compare with the truth."""
    names = data.class_names
    shift = has_background(names)  # the vocabulary lacks class 0
    result = Result(names)
    unlabeled = 0 if shift else len(names)
    for stem in data.spread(limit):
        sample = data.load(stem)
        started_s = time.perf_counter()
        (features,) = segmenter.encode([sample.image], method, vocabulary)
        answer = segmenter.segment(features, sample.image, vocabulary, method).label_map
        result.seconds.append(time.perf_counter() - started_s)
        result.confusion.add(sample.truth, np.where(answer < 0, unlabeled, answer + shift))
    return result


def has_background(class_names: list[str]) -> bool:
    """Whether class 0 is the background: then it is no label, but what no label claims."""
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
    file = data.folder.parent / "classlists" / OFFICIAL_LISTS[data.name]
    rows = [
        [word.strip() for word in line.split(",")]
        for line in file.read_text().splitlines()
        if line.strip()
    ]
    background = tuple(rows.pop(0)) if has_background(data.class_names) else ()
    if len(rows) != len(plain):
        raise ValueError(f"{file.name} has {len(rows)} classes, {data.name} {len(plain)}")
    classes = tuple(ClassPrompt(row[0], synonyms=tuple(row[1:])) for row in rows)
    return Vocabulary(classes, background=background, auto_negatives=False)

"""A segmenter on a measuring set: the checkpoint, the vocabulary, and mIoU of its masks."""

import argparse
import hashlib
import resource
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.evaluation.pieces import pieces_to_fix
from benchmarks.datasets import IGNORE, Confusion, MeasuringSet
from model import (
    CheckpointConfig,
    ClassPrompt,
    DenseFeatures,
    ImageEncoder,
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


class KeptFeatures:
    """An image encoder that keeps its features in a folder: they take longer than all the rest."""

    def __init__(self, encoder: ImageEncoder, folder: Path, fingerprint: str) -> None:
        self.device, self.autocast_dtype = encoder.device, encoder.autocast_dtype
        self.traits = encoder.traits
        self._encoder, self._folder, self._fingerprint = encoder, folder, fingerprint
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(
        self, images: Sequence[NDArray[np.uint8]], *how: Any, **more: Any
    ) -> list[DenseFeatures]:
        """As of the encoder, which is asked for one image at a time."""
        return [self._features(image, how, more) for image in images]

    def _features(
        self, image: NDArray[np.uint8], how: tuple[Any, ...], more: dict[str, Any]
    ) -> DenseFeatures:
        parts = (self._fingerprint, self.autocast_dtype, image.shape, how, more)
        about = repr((*parts, *DenseFeatures.__dataclass_fields__)).encode()
        name = hashlib.blake2b(image.tobytes() + about, digest_size=16).hexdigest()
        file = self._folder / f"{name}.pt"
        if not file.exists():
            (features,) = self._encoder([image], *how, **more)
            torch.save(vars(features), file)
        return DenseFeatures(**torch.load(file))


def with_kept_features(segmenter: Segmenter, folder: Path | None) -> Segmenter:
    """The segmenter, which keeps the features of images in a folder, if one is given."""
    if folder is None:
        return segmenter
    kept = KeptFeatures(segmenter.encode_image, folder, segmenter.fingerprint)
    return replace(segmenter, encode_image=cast(ImageEncoder, kept))


def add_checkpoint_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="starter", help="as CLIP_MODEL")
    parser.add_argument("--pretrained", default="", help="as CLIP_PRETRAINED")


def load_segmenter(arguments: argparse.Namespace) -> Segmenter:
    """The segmenter of --model and --pretrained, which encodes each text once."""
    segmenter = build_segmenter(CheckpointConfig(arguments.model, arguments.pretrained))
    return replace(segmenter, encode_text=KeptTexts(segmenter.encode_text))


class Shown:
    """What a set's images show, compared with the truth: all regions, or those of a score."""

    def __init__(self, n_classes: int) -> None:
        self.confusion = Confusion(n_classes + 1)  # the last: not labeled at all
        self.pieces = 0  # to fix

    def add(
        self, truth: NDArray[np.uint8], answer: NDArray[np.int64], labels: Iterable[int]
    ) -> None:
        """Class numbers (H, W) of one image; pieces are those of `labels`."""
        self.confusion.add(truth, answer)
        known = truth != IGNORE
        self.pieces += sum(pieces_to_fix(truth == n, answer == n, known) for n in labels)


class Result:
    def __init__(self, class_names: list[str]) -> None:
        self.class_names = class_names
        self.all, self.well_scored = Shown(len(class_names)), Shown(len(class_names))
        self.seconds: list[float] = []

    @property
    def miou(self) -> float:
        """Of all regions, whatever their score."""
        return self.all.confusion.miou

    def print(self) -> None:
        for name, iou in zip(self.class_names, self.all.confusion.iou, strict=False):
            if not np.isnan(iou):
                print(f"  {name:24} {iou:.3f}")
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        n_images = len(self.seconds)
        print(f"images={n_images} mean_s={np.mean(self.seconds):.3f} peak_mb={peak_mb:.0f}")
        print(f"mIoU={self.miou:.3f} pieces to fix in an image={self.all.pieces / n_images:.1f}")
        print(
            f"without regions below min_score: mIoU={self.well_scored.confusion.miou:.3f} "
            f"pieces={self.well_scored.pieces / n_images:.1f}"
        )


def measure(
    segmenter: Segmenter,
    data: MeasuringSet,
    vocabulary: Vocabulary,
    method: MethodConfig,
    limit: int = 0,
    min_score: float = 0.0,
) -> Result:
    """Segment every image (or `limit` of them, evenly spread) and compare with the truth."""
    names = data.class_names
    shift = has_background(names)  # the vocabulary lacks class 0
    result = Result(names)
    unlabeled = 0 if shift else len(names)
    labels = range(int(shift), len(names))
    for stem in data.spread(limit):
        sample = data.load(stem)
        started_s = time.perf_counter()
        (features,) = segmenter.encode([sample.image], method, vocabulary)
        found = segmenter.segment(features, sample.image, vocabulary, method)
        result.seconds.append(time.perf_counter() - started_s)
        is_shown = np.append(found.scores >= min_score, False)  # -1 is the last
        for shown, label_map in (
            (result.all, found.label_map),
            (result.well_scored, np.where(is_shown[found.label_map], found.label_map, -1)),
        ):
            answer = np.where(label_map < 0, unlabeled, label_map.astype(np.int64) + shift)
            shown.add(sample.truth, answer, labels)
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

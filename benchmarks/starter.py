"""Zero-shot accuracy of the starter checkpoint: python -m benchmarks.starter [--photos DIR]

Zero-shot classification of held-out imagenette photos (--photos: the folder of the training
photos; needs model/starter/train/requirements.txt) and of the COCO photos, neighbors of
words, and mIoU of the plain and the reshaped last block.
"""

import argparse
import io
import resource
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.datasets import (
    DEFAULT_DATA,
    TABLE_SETS,
    Confusion,
    MeasuringSet,
    add_data_arguments,
    chosen_sets,
)
from benchmarks.measuring import (
    add_checkpoint_arguments,
    load_segmenter,
    measure,
    vocabulary_of,
)
from model import METHODS, MethodConfig, Segmenter, SegmentSettings
from model.encoder.windows import WindowConfig
from model.scoring.thresholds import ThresholdConfig

UNSEEN_WORDS = {"kitten": "cat", "automobile": "car", "lawn": "grass", "sneaker": "shoe"}
NEIGHBORS = (
    "cat",
    "dog",
    "horse",
    "car",
    "bus",
    "bicycle",
    "grass",
    "tree",
    "road",
    "sky",
    "shoe",
    "shirt",
    "chair",
    "person",
    "building",
    "water",
)
# One window that covers a photo's short side, as CLIP classifies.
CLASSIFY = WindowConfig(short_side_px=224, window_px=224, stride_px=112)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.starter")
    add_data_arguments(parser)
    add_checkpoint_arguments(parser)
    parser.add_argument("--photos", type=Path, default=DEFAULT_DATA / "starter_train")
    arguments = parser.parse_args()
    sets = chosen_sets(arguments, default=TABLE_SETS)

    before_mb, started_s = resident_mb(), time.perf_counter()
    segmenter = load_segmenter(arguments)
    print(
        f"{segmenter.model_name} {segmenter.fingerprint[:8]}: loaded in "
        f"{time.perf_counter() - started_s:.2f} s, {resident_mb() - before_mb:.0f} MB"
    )
    print_neighbors(segmenter)
    print(f"imagenette, held out: top-1 {imagenette_top1(segmenter, arguments.photos):.3f}")
    of_objects = [one for one in sets if one.name == "coco_object_train/voc21"]
    for data in of_objects:
        print(f"{data.name}: top-1 is present {present_hit(segmenter, data):.3f}", flush=True)
    for method, refiner in (
        ("clip", "none"),
        ("clearclip", "none"),
        ("firstpass", "none"),
        ("firstpass", None),
    ):
        chosen = SegmentSettings(method=method, refiner=refiner).resolve()
        print(f"{segmenter.version(chosen)}:")
        for data in of_objects:
            foreground = foreground_miou(segmenter, data, chosen, arguments.limit)
            print(f"  {data.name}, foreground only: mIoU {foreground:.3f}")
        for data in sets:
            names = vocabulary_of(data, "plain")
            result = measure(segmenter, data, names, chosen, arguments.limit)
            seconds = float(np.mean(result.seconds))
            print(f"  {data.name}, plain names: mIoU {result.miou:.3f}, {seconds:.2f} s an image")


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def print_neighbors(segmenter: Segmenter) -> None:
    words = segmenter.encode_text(list(UNSEEN_WORDS))
    names = segmenter.encode_text(list(NEIGHBORS))
    for word, row in zip(UNSEEN_WORDS, words @ names.T, strict=True):
        best = row.argsort(descending=True)[:3].tolist()
        print(f"{word}: " + ", ".join(f"{NEIGHBORS[i]} {row[i]:.2f}" for i in best))


def class_answers(
    segmenter: Segmenter, images: list[NDArray[np.uint8]], names: list[str]
) -> list[int]:
    """Index of the name that the class token of each image is nearest to."""
    text_embeds = segmenter.encode_text(names)
    features = segmenter.encode_image(images, CLASSIFY, METHODS["clip"].encoder)
    return [int((text_embeds @ f.cls_token).argmax()) for f in features]


def imagenette_top1(segmenter: Segmenter, folder: Path) -> float:
    from model.starter.train.photos import is_held_out, read_photos

    photos = [photo for photo in read_photos(folder) if is_held_out(photo)]
    names = sorted({photo["labels"][0] for photo in photos})
    images = [np.array(Image.open(io.BytesIO(photo["image"])).convert("RGB")) for photo in photos]
    answers = class_answers(segmenter, images, names)
    return float(
        np.mean([names[a] == p["labels"][0] for a, p in zip(answers, photos, strict=True)])
    )


def present_hit(segmenter: Segmenter, data: MeasuringSet) -> float:
    samples = [data.load(stem) for stem in data.stems]
    answers = class_answers(segmenter, [s.image for s in samples], data.class_names[1:])
    return float(np.mean([(s.truth == a + 1).any() for s, a in zip(samples, answers, strict=True)]))


def foreground_miou(
    segmenter: Segmenter, data: MeasuringSet, method: MethodConfig, limit: int
) -> float:
    """Which of the foreground classes, asked only where the truth has one."""
    vocabulary = vocabulary_of(data, "plain", auto_negatives=False)
    decision = replace(method.decision, thresholds=ThresholdConfig(prob=0.0, area=0.0))
    method = replace(method, decision=decision)
    confusion = Confusion(len(data.class_names))
    for stem in data.spread(limit):
        sample = data.load(stem)
        (features,) = segmenter.encode([sample.image], method, vocabulary)
        answer = segmenter.segment(features, sample.image, vocabulary, method).label_map + 1
        confusion.add(np.where(sample.truth == 0, 255, sample.truth), answer)
    return confusion.miou


if __name__ == "__main__":
    main()

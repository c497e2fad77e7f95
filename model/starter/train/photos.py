"""The training photos: small WebP files in parquet, augmented as they are read."""

import hashlib
import io
import queue
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
HELD_OUT_SOURCE = "imagenette224"


def read_photos(folder: Path) -> list[dict[str, Any]]:
    """All rows of the parquet files: key, source, image (bytes), captions, labels, objects."""
    import pyarrow.parquet as pq  # of train/requirements.txt; cropping and batching do without

    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise ValueError(
            f"no *.parquet in {folder}: give the folder of the training photos as --data"
        )
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def is_held_out(photo: dict[str, Any]) -> bool:
    """One imagenette photo in five is kept for the zero-shot test of benchmarks/starter.py."""
    if photo["source"] != HELD_OUT_SOURCE:
        return False
    return hashlib.blake2b(photo["key"].encode(), digest_size=2).digest()[0] < 51


def augment(data: bytes, side_px: int, rng: random.Random) -> Tensor:
    """WebP bytes -> (3, side, side), normalized: a crop of 35 to 100% of the area, flip, color."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    area = width * height * rng.uniform(0.35, 1.0)
    aspect = rng.uniform(0.75, 1.33)
    crop_w = min(width, (area * aspect) ** 0.5)
    crop_h = min(height, (area / aspect) ** 0.5)
    left, top = rng.uniform(0, width - crop_w), rng.uniform(0, height - crop_h)
    box = (left, top, left + crop_w, top + crop_h)
    image = image.resize((side_px, side_px), Image.Resampling.BICUBIC, box=box)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.5:
        image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.7, 1.3))
        image = ImageEnhance.Color(image).enhance(rng.uniform(0.5, 1.4))
    if rng.random() < 0.05:
        image = image.convert("L").convert("RGB")
    return normalized(image)


def normalized(image: Image.Image) -> Tensor:
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    return (pixels - MEAN) / STD


def batches(
    photos: list[dict[str, Any]], batch: int, side_px: int, seed: int
) -> Iterator[tuple[list[int], Tensor]]:
    """Indices and images (B, 3, side, side) without end, made by a thread of its own."""
    ready: queue.Queue[Any] = queue.Queue(maxsize=4)

    def prepare() -> None:
        rng = random.Random(seed)
        while True:
            order = list(range(len(photos)))
            rng.shuffle(order)
            for start in range(0, len(order) - batch + 1, batch):
                chosen = order[start : start + batch]
                images = [augment(photos[i]["image"], side_px, rng) for i in chosen]
                ready.put((chosen, torch.stack(images)))

    threading.Thread(target=prepare, daemon=True).start()
    while True:
        yield ready.get()

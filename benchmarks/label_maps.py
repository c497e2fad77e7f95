"""Label maps (H, W) of ten labels, with edges of three kinds: what masks are traced and sent of."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

N_LABELS = 10


def smooth(height: int, width: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Smooth regions, as a refined CLIP map has them."""
    coarse = rng.random((N_LABELS, 9, 12), dtype=np.float32)
    layers = [cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC) for layer in coarse]
    labels: NDArray[np.int64] = np.argmax(layers, axis=0)
    return labels


def frayed(height: int, width: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The same with every edge scattered over some pixels."""
    shift = rng.normal(0, 3, (2, height, width)).astype(np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    labels = smooth(height, width, rng).astype(np.float32)
    return cv2.remap(labels, columns + shift[0], rows + shift[1], cv2.INTER_NEAREST).astype(int)


def noisy(height: int, width: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The same with two pixels of a hundred flipped."""
    labels = smooth(height, width, rng)
    flipped = rng.random(labels.shape) < 0.02
    labels[flipped] = rng.integers(0, N_LABELS, flipped.sum())
    return labels


LABEL_MAPS: dict[str, Callable[[int, int, np.random.Generator], NDArray[np.int64]]] = {
    "smooth": smooth,
    "frayed": frayed,
    "noisy": noisy,
}

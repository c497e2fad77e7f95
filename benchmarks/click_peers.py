"""Peers for clicks, which use colors alone: GrabCut and a random walker."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import random_walker

from model import DenseFeatures, PointPrompt

FIRST_AREA, SURE_AREA = 0.08, 0.02  # radii for GrabCut, of the long side
BETA = 130  # of the random walker, skimage's own


@dataclass(frozen=True, eq=False)
class Thing:
    image: NDArray[np.uint8]  # (H, W, 3)
    truth: NDArray[np.bool_]  # (H, W) bool
    ignored: NDArray[np.bool_]  # (H, W) bool
    label: int  # index into the vocabulary
    features: DenseFeatures


Method = Callable[[Thing, Sequence[PointPrompt]], NDArray[np.bool_]]


def grab_cut(thing: Thing, prompts: Sequence[PointPrompt]) -> NDArray[np.bool_]:
    """OpenCV's GrabCut: sure discs at the clicks, a larger disc that may be the thing."""
    height, width = thing.truth.shape
    marks = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    for click in prompts:
        if click.is_positive:
            stamp(marks, click, FIRST_AREA, cv2.GC_PR_FGD)
    for click in prompts:
        stamp(marks, click, SURE_AREA, cv2.GC_FGD if click.is_positive else cv2.GC_BGD)
    behind, thing_model = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = cv2.cvtColor(thing.image, cv2.COLOR_RGB2BGR)
    cv2.grabCut(bgr, marks, (0, 0, 0, 0), behind, thing_model, 3, cv2.GC_INIT_WITH_MASK)
    return np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD))


def walk_colors(thing: Thing, prompts: Sequence[PointPrompt]) -> NDArray[np.bool_]:
    """scikit-image's random walker: discs at the clicks, and the image's rim is not the thing."""
    marks = np.zeros(thing.truth.shape, np.uint8)
    marks[[0, -1]] = 2
    marks[:, [0, -1]] = 2
    for click in prompts:
        stamp(marks, click, SURE_AREA / 2, 1 if click.is_positive else 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what could make it faster
        labels = random_walker(
            thing.image / 255, marks.astype(int), beta=BETA, mode="cg_j", channel_axis=2, tol=1e-2
        )
    mask: NDArray[np.bool_] = labels == 1
    return mask


def stamp(marks: NDArray[np.uint8], click: PointPrompt, radius: float, value: int) -> None:
    height, width = marks.shape
    center = min(width - 1, int(click.x * width)), min(height - 1, int(click.y * height))
    cv2.circle(marks, center, max(1, round(radius * max(height, width))), value, -1)

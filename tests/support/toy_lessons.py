"""Lessons of a scene of three kinds of patches, and what they say, as plain numbers."""

import numpy as np
import pytest
import torch

from model.memory.lessons import make_lesson


def scene():
    """Features (3, 4, 6) of an image of 40 x 60 pixels: x left, y right, z in the last row."""
    tokens = torch.zeros(3, 4, 6)
    tokens[0, :, :3], tokens[1, :, 3:] = 1, 1
    tokens[:, 3] = torch.tensor([0, 0, 1.0])[:, None]
    return tokens


def mask(rows=slice(0, 0), columns=slice(0, 60)):
    made = np.zeros((40, 60), dtype=bool)
    made[rows, columns] = True
    return made


def noise(height_px, width_px):
    return np.random.default_rng(0).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)


PHOTO = noise(40, 60)
LEFT, RIGHT = mask(slice(0, 30), slice(0, 30)), mask(slice(0, 30), slice(30, 60))


def taught(*masks):
    return make_lesson("here", scene(), PHOTO, masks)


def merged(lesson):
    """Mass by label, direction and rightness, since equal patches may give several keys."""
    sums: dict[tuple[str, tuple[float, ...], bool], float] = {}
    for name, key, mass, wrong in said_each(lesson):
        sums[name, key, wrong] = sums.get((name, key, wrong), 0) + mass
    return {what: pytest.approx(mass, abs=1e-4) for what, mass in sums.items()}


def said_each(lesson):
    names = [*lesson.labels, ""]
    columns = (lesson.owners, lesson.keys, lesson.masses, lesson.was_wrong)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        (names[owner], tuple(number / max(key) for number in key), mass, wrong)
        for owner, key, mass, wrong in rows
    ]

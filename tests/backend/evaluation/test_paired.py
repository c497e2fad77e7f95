"""Differences of mIoU on the same tasks, and how sure they are."""

import numpy as np
import pytest

from backend.evaluation.agreement import Agreement, mean_over_labels, pooled
from backend.evaluation.paired import (
    compare,
    counts_of,
    expanded_tails,
    gain_of,
    miou,
    standard_error,
)


def of_iou(iou: np.ndarray, either_px: int = 1000) -> np.ndarray:
    """Counts of one label with this IoU in each task, all of one size."""
    return np.stack([iou * either_px, np.full_like(iou, either_px)], axis=-1)[:, None]


def test_miou_is_that_of_an_evaluation():
    tasks = [
        {"Cat": Agreement(1, 30, 10, 5), "Dog": Agreement(1)},
        {"Cat": Agreement(1, 3, 40, 0), "Dog": Agreement(1, 0, 7, 9)},
        {"Dog": Agreement(1, 50, 2, 2)},
    ]
    counts = counts_of(tasks, ["Cat", "Dog"])
    assert miou(counts)[0] == pytest.approx(mean_over_labels(pooled(tasks), "iou"))
    first_only = np.array([[1.0, 0, 0]])
    assert miou(counts, first_only)[0] == pytest.approx(30 / 45)  # nobody has a Dog there


def test_equal_predictions_differ_by_nothing():
    counts = of_iou(np.array([0.2, 0.5, 0.9]))
    found = compare(counts, counts)
    assert (found.mean, found.low, found.high, found.is_gain) == (0, 0, 0, False)


def test_a_gain_on_every_task_is_one_and_a_gain_on_one_task_is_none():
    before = of_iou(np.linspace(0.3, 0.7, 8))
    everywhere = compare(before, of_iou(np.linspace(0.33, 0.74, 8)))
    assert everywhere.is_gain
    assert everywhere.mean == pytest.approx(0.035)
    once = np.linspace(0.3, 0.7, 8)
    once[3] += 0.28
    found = compare(before, of_iou(once))
    assert found.mean == pytest.approx(0.035)
    assert not found.is_gain


def test_the_standard_error_is_that_of_a_mean_where_miou_is_one():
    gains = np.array([0.01, 0.05, -0.02, 0.08, 0.03])
    before = np.full(5, 0.4)
    found = standard_error(of_iou(before), of_iou(before + gains))
    assert found == pytest.approx(gains.std(ddof=1) / np.sqrt(5))
    assert gain_of(of_iou(before), of_iou(before + gains)) == pytest.approx(gains.mean())


def test_intervals_of_few_tasks_are_wider_than_plain_percentiles():
    """By tables: t is 2.776 at 4 degrees of freedom, and 3.104 is exceeded by 0.00095."""
    assert expanded_tails(5)[0] == pytest.approx(0.00095, abs=2e-5)
    assert expanded_tails(10_000)[0] == pytest.approx(0.025, abs=1e-4)


def test_of_differences_that_are_none_few_pass_for_one():
    """The promise of the interval, for 8 tasks: nominal 2.5% on the side of a gain."""
    random = np.random.default_rng(5)
    before = np.full(8, 0.5)
    n_gains = sum(
        compare(of_iou(before), of_iou(before + random.normal(0, 0.05, 8))).is_gain
        for _ in range(200)
    )
    assert n_gains <= 10

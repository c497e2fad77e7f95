"""How tasks are divided into those that teach and those that are left out."""

import pytest

from backend.evaluation.folds import folds


@pytest.mark.parametrize("n_tasks", [2, 20])
def test_few_tasks_are_left_out_one_by_one(n_tasks):
    assert folds(n_tasks) == list(range(n_tasks))


def test_many_tasks_are_left_out_in_five_folds_of_one_size():
    found = folds(52)
    sizes = [found.count(fold) for fold in range(5)]
    assert set(found) == set(range(5))
    assert max(sizes) - min(sizes) <= 1

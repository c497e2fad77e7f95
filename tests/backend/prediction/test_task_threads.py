"""Tasks run beside each other, and all have their end, though no thread can be started."""

import _thread
import threading

import pytest

from backend.prediction.task_threads import map_in_threads


@pytest.mark.parametrize("n_tasks", [0, 1, 2, 50])
def test_results_come_in_the_order_of_the_tasks(n_tasks):
    assert map_in_threads(str, range(n_tasks), 4) == [str(n) for n in range(n_tasks)]


def test_as_many_tasks_run_at_the_same_time_as_there_are_threads():
    together = threading.Barrier(3)
    assert sorted(map_in_threads(lambda _: together.wait(60), range(3), 3)) == [0, 1, 2]


def never_begins(*_: object) -> int:
    return 0


def refused(*_: object) -> int:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("start", [never_begins, refused])
def test_without_other_threads_this_one_does_all(monkeypatch, start):
    """As when there is no memory for them."""
    monkeypatch.setattr(_thread, "start_new_thread", start)
    assert map_in_threads(str, range(5), 3) == ["0", "1", "2", "3", "4"]


def test_an_error_of_one_task_is_raised_and_keeps_no_other_from_being_done():
    done = []

    def work(number: int) -> None:
        if number == 0:
            raise ValueError("the first")
        done.append(number)

    with pytest.raises(ValueError, match="the first"):
        map_in_threads(work, range(4), 2)

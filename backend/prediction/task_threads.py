"""Runs the tasks of one request at the same time, and ends whatever becomes of its threads."""

import _thread
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

Task = TypeVar("Task")
Item = TypeVar("Item")


def map_in_threads(
    work: Callable[[Task], Item], tasks: Sequence[Task], n_threads: int
) -> list[Item]:
    """`work` of each task, in order, in this thread and up to n - 1 others. Raises its first error.

    A thread that finds no memory when it begins never says so, and `Thread.start`, as of a
    ThreadPoolExecutor, waits for it for ever. So nothing here waits for a thread to begin: this one
    does what no other has taken.
    """
    futures: list[Future[Item]] = [Future() for _ in tasks]
    waiting = deque(range(len(tasks)))

    def go_on() -> None:
        while True:
            try:
                number = waiting.popleft()
            except IndexError:
                return
            try:
                futures[number].set_result(work(tasks[number]))
            except BaseException as error:
                futures[number].set_exception(error)

    for _ in range(min(n_threads, len(tasks)) - 1):
        try:
            _thread.start_new_thread(go_on, ())
        except RuntimeError:  # no memory, or too many threads
            break
    go_on()
    return [future.result() for future in futures]

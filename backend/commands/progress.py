"""A progress bar on stderr: how many of how many, how fast, and the time left."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

LINE_S = 30.0  # between two states where stderr is no terminal, but a file of lines


class ProgressBar:
    def __init__(self, unit: str) -> None:
        self._n_failed = 0
        self._bar = tqdm(
            unit=f" {unit}",
            file=sys.stderr,
            dynamic_ncols=True,
            mininterval=0.2 if sys.stderr.isatty() else LINE_S,
        )

    def expect(self, n_items: int) -> None:
        self._bar.total = n_items

    def advance(self, n_items: int, n_failed: int) -> None:
        """`n_failed`: of all so far."""
        if n_failed != self._n_failed:
            self._n_failed = n_failed
            self._bar.set_postfix_str(f"{n_failed} failed", refresh=False)
        self._bar.update(n_items)

    def close(self) -> None:
        self._bar.close()


@contextmanager
def progress_bar(unit: str) -> Iterator[ProgressBar]:
    """`unit`: what is counted, such as "tasks". Lines of `say` and of the log stand above it."""
    bar = ProgressBar(unit)
    try:
        with logging_redirect_tqdm():
            yield bar
    finally:
        bar.close()


def say(line: str) -> None:
    """A line on stderr, above a bar if there is one."""
    tqdm.write(line, file=sys.stderr)

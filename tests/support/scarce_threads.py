"""The two ways in which a thread cannot be had where there is no memory for it."""

import _thread
import threading

import pytest

PLAIN = ("start_new_thread",)  # of `_thread`: a PlainThread's
THREADING = ("_start_new_thread", "_start_joinable_thread")  # of `threading`, by Python's version


def refuse_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives none."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    _start_by(monkeypatch, refuse, PLAIN + THREADING)


def let_threads_end(
    monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...] = PLAIN + THREADING
) -> None:
    """Those of these kinds that are made end before their first line."""
    make = _thread.start_new_thread

    def make_one_that_ends(*_: object, **__: object) -> None:
        make(lambda: None, ())

    _start_by(monkeypatch, make_one_that_ends, kinds)


def _start_by(monkeypatch: pytest.MonkeyPatch, start: object, kinds: tuple[str, ...]) -> None:
    for module in (_thread, threading):
        for name in kinds:
            if hasattr(module, name) and (module is _thread) == (name in PLAIN):
                monkeypatch.setattr(module, name, start)

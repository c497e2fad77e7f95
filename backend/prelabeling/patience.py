"""Repeats requests to a Label Studio that does not answer, until it does."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from backend.errors import LabelStudioError
from backend.label_studio.answers import Forbidden, NotFound, Refused, Unauthorized, Unavailable

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """`patience(action)` is `action()`, repeated with growing pauses while nobody answers."""

    say: Callable[[str], None]
    limit_s: float = 900.0  # of one outage: a restart with migrations takes minutes
    first_pause_s: float = 1.0  # doubled after each attempt
    longest_pause_s: float = 15.0
    max_faults: int = 3  # attempts when it answers with a fault of its own, such as 500
    is_stopping: threading.Event = field(default_factory=threading.Event)  # then it is over

    def __call__(self, action: Callable[[], T]) -> T:
        """Raises LabelStudioError: what it was refused for, or after the limit `Unavailable`."""
        began_s, pause_s, n_faults, is_said = time.monotonic(), self.first_pause_s, 0, False
        while True:
            try:
                value = action()
            except (Forbidden, NotFound, Refused, Unauthorized):
                raise
            except Unavailable as error:
                is_over = time.monotonic() - began_s + pause_s > self.limit_s
                if is_over or self.is_stopping.is_set():
                    raise
                if not is_said:
                    self.say(f"{error} Waiting for it, {self.limit_s / 60:.0f} minutes at most.")
                is_said = True
            except LabelStudioError:
                n_faults += 1
                if n_faults >= self.max_faults:
                    raise
            else:
                if is_said:
                    self.say("Label Studio answers again.")
                return value
            self.is_stopping.wait(pause_s)
            pause_s = min(2 * pause_s, self.longest_pause_s)

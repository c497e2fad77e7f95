"""Bounds for one input: seconds of CPU time, since a busy machine is no fault, and memory."""

import contextlib
import resource
import signal
from collections.abc import Iterator
from types import FrameType

MAX_CPU_S = 20.0  # the worst of the corpus takes a hundredth of it
MAX_MORE_BYTES = 2 * 2**30  # of address space, beside what the process has at its start


class TooSlow(BaseException):
    """Not an Exception, so that no reader takes it for damage of its input."""


@contextlib.contextmanager
def bounded_time() -> Iterator[None]:
    """Raise TooSlow in the main thread after MAX_CPU_S of CPU time."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"an input took more than {MAX_CPU_S:.0f} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, MAX_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def bound_memory() -> None:
    """Have this process fail to allocate more than MAX_MORE_BYTES from now on."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        n_bytes = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (n_bytes + MAX_MORE_BYTES, resource.RLIM_INFINITY))

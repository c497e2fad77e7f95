"""All limits on what runs at the same time in one worker process."""

import bisect
import itertools
import math
import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from backend.errors import Overloaded
from backend.settings import Settings

MAX_RETRY_AFTER_S = 60
LOADING_AHEAD = 4  # images of a request that are loaded while others are in the model


@dataclass(frozen=True)
class Concurrency:
    """Batch sizes depend on the device, which is known once the model is loaded."""

    requests: int  # threads of the server; some are left for /health, /setup and webhooks
    clicks: int  # /predict requests with clicks among them, beside the others
    predictions: int  # other /predict requests among them
    batches: int  # of those, requests of many tasks; the others are of people who wait for one
    max_batch_images: int  # in the image encoder at once
    batch_wait_s: float  # for more images to join a batch
    parallel_tasks: int  # of one request; some load their image while others are in the model
    downloads_per_host: int  # fewer than any lane has places: no host of images takes them all
    max_waiting_images: int = 256  # queued for the image encoder; more are refused
    segmentations: int = 1  # at once; a second one uses the cores that a CPU's first leaves idle

    @classmethod
    def of(cls, settings: Settings, *, is_gpu: bool = False) -> "Concurrency":
        # A GPU encodes eight images in little more time than one; a CPU one after the other.
        batch_images = settings.batch_images or (8 if is_gpu else 1)
        clicks, predictions = max(settings.threads // 3, 2), max(settings.threads * 2 // 3, 2)
        return cls(
            requests=settings.threads + clicks,
            clicks=clicks,
            predictions=predictions,
            batches=max(predictions * 3 // 4, 1),
            max_batch_images=batch_images,
            batch_wait_s=settings.batch_wait_ms / 1000 if is_gpu else 0.0,
            parallel_tasks=2 * batch_images + LOADING_AHEAD,
            downloads_per_host=max(clicks * 3 // 4, 1),
            segmentations=1 if is_gpu else 2,
        )


class Lane:
    """Places for requests of one kind; who finds none is told when to come back."""

    def __init__(self, places: int) -> None:
        self.free = threading.BoundedSemaphore(places)
        self._mean_s = 1.0  # that a request takes, of the latest ones
        self._lock = threading.Lock()

    @contextmanager
    def place(self, what: str) -> Iterator[None]:
        """A place for as long as the context lasts. Raises Overloaded at once if there is none.

        `what`: the kind of the requests, for the message.
        """
        if not self.free.acquire(blocking=False):
            error = Overloaded(f"Too many {what} are running already. Ask again in a moment.")
            error.retry_after_s = min(max(math.ceil(self._mean_s), 1), MAX_RETRY_AFTER_S)
            raise error
        started_s = time.monotonic()
        try:
            yield
        finally:
            self.free.release()
            with self._lock:
                self._mean_s += (time.monotonic() - started_s - self._mean_s) / 8


class Lanes:
    """Places for /predict by kind, so that none keeps out another that costs less."""

    def __init__(self, limits: Concurrency) -> None:
        self.clicks = Lane(limits.clicks)
        self.predictions = Lane(limits.predictions)
        self.batches = Lane(limits.batches)

    @contextmanager
    def place(self, n_tasks: int, *, is_click: bool) -> Iterator[None]:
        """A place for a /predict of so many tasks. Raises Overloaded."""
        if is_click:
            with self.clicks.place("clicks"):
                yield
        elif n_tasks == 1:
            with self.predictions.place("predictions"):
                yield
        else:
            batch, prediction = (
                self.batches.place("predictions of many tasks"),
                self.predictions.place("predictions"),
            )
            with batch, prediction:
                yield


class Rounds:
    """Numbers the places in a line by rounds, in each of which everybody has one turn.

    Start-time fair queueing (Goyal et al. 1996) with turns of one size: whoever asks for many
    places at once gets them in as many rounds, and lets others in between. Not safe between
    threads.
    """

    def __init__(self) -> None:
        self._now = 0  # the latest round in which somebody was served
        self._latest: dict[Hashable, int] = {}  # round of the last place of each who asked

    def next_for(self, who: Hashable) -> int:
        """The round of a further place."""
        number = self._latest[who] = max(self._latest.get(who, 0) + 1, self._now)
        return number

    def serve(self, number: int) -> None:
        """Note that a place of this round has its turn."""
        self._now = max(self._now, number)
        self._latest = {who: last for who, last in self._latest.items() if last >= self._now}


class Turn(NamedTuple):
    """A place in the line of `Turns`, which compare as they are served."""

    is_later: bool
    round: int
    number: int
    has_come: threading.Event


class Turns:
    """Slots for which those who wait take turns, unlike those of a semaphore.

    However many slots one asks for at once, others come in between; turns of one are in the order
    of asking. What nobody waits for, `is_later`, gets a slot when no request wants it.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: list[Turn] = []  # sorted
        self._rounds, self._numbers = {False: Rounds(), True: Rounds()}, itertools.count()
        self._lock = threading.Lock()

    def acquire(self, timeout: float, *, who: Hashable = None, is_later: bool = False) -> bool:
        """Whether a slot came free within `timeout` seconds; `release` gives it back."""
        with self._lock:
            if self._free:  # then nobody waits
                self._free -= 1
                return True
            place = self._rounds[is_later].next_for(who)
            turn = Turn(is_later, place, next(self._numbers), threading.Event())
            bisect.insort(self._waiting, turn)
        if turn.has_come.wait(timeout):
            return True
        with self._lock:
            if turn.has_come.is_set():  # it came in the last moment
                return True
            self._waiting.remove(turn)
            return False

    def release(self) -> None:
        with self._lock:
            if self._waiting:
                turn = self._waiting.pop(0)
                self._rounds[turn.is_later].serve(turn.round)
                turn.has_come.set()
            else:
                self._free += 1

"""Batches the images of concurrent requests for the image encoder.

A GPU encodes eight images in little more time than one; a CPU is fastest with one at a time. So
request threads put their image into a queue and wait, and one thread encodes the waiting images, up
to `max_images` of the same method at once.
"""

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError  # its own class before 3.11
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.concurrency import Rounds
from backend.errors import OutOfTime, Overloaded
from model import DenseFeatures, MethodConfig, Vocabulary

Encode = Callable[
    [Sequence[NDArray[np.uint8]], MethodConfig, Sequence[Vocabulary]], list[DenseFeatures]
]
log = logging.getLogger(__name__)


@dataclass
class Job:
    image: NDArray[np.uint8]  # RGB uint8 (H, W, 3)
    method: MethodConfig
    vocabulary: Vocabulary  # some methods use the words in the image encoder
    future: "Future[DenseFeatures]" = field(default_factory=Future)


class Waiting(NamedTuple):
    """A place in the line: by rank, then by turns of those who ask, in the order of arrival."""

    rank: int  # FIRST for clicks, LATER for what nobody waits for
    round: int
    number: int
    job: Job | None  # None: the end


FIRST, IN_TURN, LATER, LAST = range(4)  # ranks; the last one ends the line


class Batcher:
    """Called with an image, returns its features. Safe between threads."""

    def __init__(
        self,
        encode: Encode,
        *,
        max_images: int = 1,
        wait_s: float = 0.0,
        max_waiting: int = 256,
        on_batch: Callable[[int], object] = lambda _images: None,
    ) -> None:
        """`wait_s`: how long a batch waits for more images. `max_waiting`: length of the queue.

        `on_batch` is called with the number of images of each batch.
        """
        self._encode, self._on_batch = encode, on_batch
        self._max_images, self._wait_s = max_images, wait_s
        self._max_waiting, self._numbers = max_waiting, itertools.count()
        self._waiting: queue.PriorityQueue[Waiting] = queue.PriorityQueue()
        self._rounds = {rank: Rounds() for rank in (FIRST, IN_TURN, LATER, LAST)}
        self._lock = threading.Lock()  # of the rounds
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def __call__(
        self,
        image: NDArray[np.uint8],
        method: MethodConfig,
        vocabulary: Vocabulary,
        *,
        timeout_s: float | None = None,
        rank: int = IN_TURN,
        who: Hashable = None,
    ) -> DenseFeatures:
        """Dense features of an RGB uint8 image (H, W, 3), before all that wait with a higher rank.

        Within a rank those who ask take turns, such as projects, however many images of one wait.

        Raises Overloaded if the queue is full, OutOfTime after `timeout_s`, the errors of `encode`.
        """
        job = Job(image, method, vocabulary)
        if rank != FIRST and self._waiting.qsize() >= self._max_waiting:
            raise Overloaded(
                f"{self._max_waiting} images are waiting for the model already. "
                "Send fewer tasks at once, or more slowly."
            )
        self._put(rank, job, who)
        try:
            return job.future.result(timeout_s)
        except FutureTimeoutError as error:
            # A queued job is skipped; the result of a running one is dropped.
            job.future.cancel()
            raise OutOfTime(
                f"The model did not reach this image within {timeout_s:.0f} s."
            ) from error

    def waiting(self) -> int:
        """Number of queued images."""
        return self._waiting.qsize()

    def close(self, timeout_s: float | None = None) -> bool:
        """End the thread after the batches in line; whether it ended in time."""
        self._put(LAST, None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _put(self, rank: int, job: Job | None, who: Hashable = None) -> None:
        with self._lock:
            place = self._rounds[rank].next_for(who)
        self._waiting.put(Waiting(rank, place, next(self._numbers), job))

    def _take(self, timeout_s: float | None = None) -> Job | None:
        """The next job in line, or None: the end. Raises queue.Empty after `timeout_s`."""
        taken = self._waiting.get(timeout=timeout_s)
        with self._lock:
            self._rounds[taken.rank].serve(taken.round)
        return taken.job

    def _run(self) -> None:
        next_job: Job | None = None  # taken from the queue, but of another method than the batch
        while True:
            first = next_job or self._take()
            if first is None:
                return
            batch, next_job, is_closing = [first], None, False
            try:
                next_job, is_closing = self._fill_batch(batch)
                running = [job for job in batch if job.future.set_running_or_notify_cancel()]
                if running:
                    self._on_batch(len(running))
                    self._encode_jobs(running)
            except Exception as error:
                # Without memory anything may fail; without this thread all that come would wait.
                log.error("a batch of images failed: %s", error or type(error).__name__)
                for job in batch:
                    if not job.future.done():
                        job.future.set_exception(error)
            if is_closing:
                return

    def _fill_batch(self, batch: list[Job]) -> tuple[Job | None, bool]:
        """Add the jobs that its first one waits for; a job of another method, whether to stop."""
        first, closes_at = batch[0], time.monotonic() + self._wait_s
        while len(batch) < self._max_images:
            try:
                left_s = max(closes_at - time.monotonic(), 0.0) or 1e-4
                job = self._take(left_s)
            except queue.Empty:
                break
            if job is None:
                return None, True
            if job.method != first.method:
                return job, False
            batch.append(job)
        return None, False

    def _encode_jobs(self, jobs: list[Job]) -> None:
        try:
            found = self._encode(
                [job.image for job in jobs], jobs[0].method, [job.vocabulary for job in jobs]
            )
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            # One invalid image, or a batch too large for the GPU, must not fail the others.
            log.warning("a batch of %d images failed (%s): encoding one by one", len(jobs), error)
            for job in jobs:
                self._encode_jobs([job])
            return
        for job, features in zip(jobs, found, strict=True):
            job.future.set_result(features)

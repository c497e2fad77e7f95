"""One door to the image encoder: concurrent requests share its batches.

A GPU encodes eight images in little more time than one, and a CPU does one after the other
fastest. So request threads hand their image in and wait, and one thread of our own encodes: it
takes what is waiting, up to `max_images` of equal methods.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError  # its own class before 3.11
from dataclasses import dataclass, field

import numpy as np

from backend.errors import Overloaded
from model import DenseFeatures, MethodConfig

Encode = Callable[[Sequence[np.ndarray], MethodConfig], list[DenseFeatures]]
log = logging.getLogger(__name__)


@dataclass
class Job:
    image: np.ndarray  # RGB uint8 (H, W, 3)
    method: MethodConfig
    answer: "Future[DenseFeatures]" = field(default_factory=Future)


class Batcher:
    def __init__(
        self,
        encode: Encode,
        *,
        max_images: int = 1,
        wait_s: float = 0.0,
        max_waiting: int = 256,
        on_batch: Callable[[int], object] = lambda _images: None,
    ) -> None:
        """`wait_s`: how long a batch stays open for more; `max_waiting`: images in line.

        `on_batch` is told the number of images of each batch.
        """
        self._encode, self._on_batch = encode, on_batch
        self._max_images, self._wait_s = max_images, wait_s
        self._waiting: queue.Queue[Job | None] = queue.Queue(max_waiting)
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def __call__(
        self, image: np.ndarray, method: MethodConfig, *, timeout_s: float | None = None
    ) -> DenseFeatures:
        """Dense features of the RGB image (H, W, 3). Raises Overloaded when its turn is too far."""
        job = Job(image, method)
        try:
            self._waiting.put_nowait(job)
        except queue.Full as error:
            raise Overloaded(
                f"{self._waiting.maxsize} images are waiting for the model already. "
                "Send fewer tasks at once, or more slowly."
            ) from error
        try:
            return job.answer.result(timeout_s)
        except FutureTimeoutError as error:
            # Still in line: nobody waits for it any more. Already running: its answer is dropped.
            job.answer.cancel()
            raise Overloaded(
                f"The model did not reach this image within {timeout_s:.0f} s."
            ) from error

    def waiting(self) -> int:
        """Images in line."""
        return self._waiting.qsize()

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        held: Job | None = None  # taken from the line, but of another method than its batch
        while True:
            first = held or self._waiting.get()
            if first is None:
                return
            batch, held, is_closing = self._gather(first)
            running = [job for job in batch if job.answer.set_running_or_notify_cancel()]
            if running:
                self._on_batch(len(running))
                self._answer(running)
            if is_closing:
                return

    def _gather(self, first: Job) -> tuple[list[Job], Job | None, bool]:
        """The batch that `first` opens, the job that did not fit in, and whether we are closing."""
        batch, closes_at = [first], time.monotonic() + self._wait_s
        while len(batch) < self._max_images:
            try:
                job = self._waiting.get(timeout=max(closes_at - time.monotonic(), 0.0) or 1e-4)
            except queue.Empty:
                break
            if job is None:
                return batch, None, True
            if job.method != first.method:
                return batch, job, False
            batch.append(job)
        return batch, None, False

    def _answer(self, jobs: list[Job]) -> None:
        try:
            found = self._encode([job.image for job in jobs], jobs[0].method)
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].answer.set_exception(error)
                return
            # One image must not fail its neighbours, nor a batch that the GPU cannot hold.
            log.warning("a batch of %d images failed (%s): encoding one by one", len(jobs), error)
            for job in jobs:
                self._answer([job])
            return
        for job, features in zip(jobs, found, strict=True):
            job.answer.set_result(features)

"""Ways to predict a stream of tasks, several at a time."""

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from backend.label_studio.project_settings import ProjectSettings
from backend.plain_thread import PlainThread
from backend.prediction.annotator import Annotator
from backend.prediction.prediction_items import PredictionItem

TASK_BUDGET_S = 600.0  # for one task; nobody waits for an answer
WAITING_PER_THREAD = 4  # tasks at hand, so that storing predictions stops no thread
LOOK_EACH_S = 1.0  # whether a stop is asked for, and any thread has begun


@dataclass(frozen=True)
class Job:
    """A task with all that its prediction depends on."""

    task: Mapping[str, Any]
    project: str  # as in Label Studio's requests
    label_config: str
    settings: ProjectSettings
    auth: tuple[str, str] | None


Answer = tuple[Job, PredictionItem]
Engine = Callable[[Iterable[Job]], Iterator[Answer]]  # answers come in any order


def predict_job(annotator: Annotator, job: Job) -> PredictionItem:
    """What /predict answers for this task alone."""
    (item,) = annotator.predict(
        [job.task], job.label_config, job.settings, project_id=job.project, auth=job.auth
    )
    return item


class _JobThreads:
    """Up to n threads that predict what is put in. Making them waits for none to begin."""

    def __init__(self, annotator: Annotator, n_threads: int) -> None:
        self._annotator = annotator
        self._asked: SimpleQueue[Job | None] = SimpleQueue()  # None: one thread ends
        self._answered: SimpleQueue[tuple[Job, Future[PredictionItem]]] = SimpleQueue()
        self._threads: list[PlainThread] = []
        with contextlib.suppress(RuntimeError):  # no memory, or too many threads
            for _ in range(n_threads):
                self._threads.append(PlainThread(self._go_on))

    def put(self, job: Job) -> None:
        self._asked.put(job)

    def has_answer(self) -> bool:
        return not self._answered.empty()

    def get(self, timeout_s: float) -> tuple[Job, Future[PredictionItem]]:
        """An answer. Raises Empty if none comes in time.

        Where no thread has begun, for want of memory, this one predicts a job itself.
        """
        if not any(thread.is_alive() for thread in self._threads):
            self._answer(self._asked.get_nowait())
        return self._answered.get(timeout=timeout_s)

    def close(self) -> None:
        """Wait for the jobs in work, and begin no other."""
        with contextlib.suppress(Empty):
            while True:
                self._asked.get_nowait()
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            while not thread.join(LOOK_EACH_S):
                pass

    def _go_on(self) -> None:
        while self._answer(self._asked.get()):
            pass

    def _answer(self, job: Job | None) -> bool:
        """Whether there was one."""
        if job is None:
            return False
        found: Future[PredictionItem] = Future()
        try:
            found.set_result(predict_job(self._annotator, job))
        except BaseException as error:
            found.set_exception(error)
        self._answered.put((job, found))
        return True


@dataclass(frozen=True)
class ThreadEngine:
    """In threads of this process: images are loaded while others are in the model.

    Jobs are taken as threads become free, so whatever the caller waits for stops the stream. Where
    there is no memory for any thread, the caller's own predicts them one by one.
    """

    annotator: Annotator
    n_threads: int
    is_stopping: Callable[[], bool] = field(default=lambda: False)  # after the tasks in work

    def __call__(self, jobs: Iterable[Job]) -> Generator[Answer, None, None]:
        feed, window, n_on_way = iter(jobs), self.n_threads * WAITING_PER_THREAD, 0
        threads = _JobThreads(self.annotator, self.n_threads)
        try:
            while not self.is_stopping() or threads.has_answer():
                while not self.is_stopping() and n_on_way < window:
                    job = next(feed, None)
                    if job is None or self.is_stopping():  # by now: the feed may have waited
                        break
                    threads.put(job)
                    n_on_way += 1
                if not n_on_way:
                    return
                try:
                    job, found = threads.get(LOOK_EACH_S)
                except Empty:
                    continue
                n_on_way -= 1
                yield job, found.result()
        finally:
            threads.close()

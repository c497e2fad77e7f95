"""Ways to predict a stream of tasks, several at a time."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.annotator import Annotator
from backend.prediction.prediction_items import PredictionItem

TASK_BUDGET_S = 600.0  # for one task; nobody waits for an answer
WAITING_PER_THREAD = 4  # tasks at hand, so that storing predictions stops no thread


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


@dataclass(frozen=True)
class ThreadEngine:
    """In threads of this process: images are loaded while others are in the model.

    Jobs are taken as threads become free, so whatever the caller waits for stops the stream.
    """

    annotator: Annotator
    n_threads: int
    is_stopping: Callable[[], bool] = field(default=lambda: False)  # after the tasks in work

    def __call__(self, jobs: Iterable[Job]) -> Generator[Answer, None, None]:
        feed, window = iter(jobs), self.n_threads * WAITING_PER_THREAD
        running: dict[Future[PredictionItem], Job] = {}
        threads = ThreadPoolExecutor(self.n_threads, thread_name_prefix="prelabel")
        try:
            while not self.is_stopping():
                while len(running) < window and (job := next(feed, None)) is not None:
                    if self.is_stopping():  # by now: the feed may have waited
                        return
                    running[threads.submit(predict_job, self.annotator, job)] = job
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        finally:
            threads.shutdown(cancel_futures=True)

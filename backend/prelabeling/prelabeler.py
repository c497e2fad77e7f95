"""Predicts the tasks of a project that lack a prediction, and stores what was made as it goes.

What is done is read from Label Studio itself, so a run that was stopped, in whatever way, is
continued by the next one.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from backend.errors import (
    FirstpassError,
    ImageForbidden,
    ImageNotFound,
    LabelStudioError,
    Overloaded,
)
from backend.prediction.prediction_items import PARTIAL_PREFIX, PredictionItem
from backend.prelabeling.engines import Engine, Job
from backend.prelabeling.importer import Importer, Lacking
from backend.prelabeling.open_tasks import OpenTasks, Task, TaskPage
from backend.prelabeling.outcome import Outcome

CHUNK_TASKS = 20  # stored at once: what a kill has predicted anew
CHUNK_S = 10.0  # or as many as came in this time
CONTINUE = "The same command goes on from here."
# Failures that a restart of Label Studio or a slow host can cause: tried once more.
PASSING_CODES = {
    error.code for error in (ImageNotFound, ImageForbidden, LabelStudioError, Overloaded)
}


@dataclass(frozen=True)
class Target:
    """What tasks are predicted with now, and the version that comes of it."""

    version: str
    make_job: Callable[[Task], Job]


class Progress(Protocol):
    def expect(self, n_tasks: int) -> None: ...
    def advance(self, n_tasks: int, n_failed: int) -> None: ...


@dataclass
class Prelabeler:
    tasks: OpenTasks
    importer: Importer
    engine: Engine
    current_target: Callable[[], Target]  # asked for each page: lessons and config may change
    is_lock_lost: Callable[[], bool]
    progress: Progress
    limit: int | None = None
    chunk_tasks: int = CHUNK_TASKS
    outcome: Outcome = field(default_factory=Outcome)
    _waiting: dict[int, PredictionItem] = field(default_factory=dict)  # to be stored, by task
    _waiting_partial: dict[int, PredictionItem] = field(default_factory=dict)
    _again: dict[int, Job] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)
    _had_partial: set[int] = field(default_factory=set)
    _stored_s: float = field(default_factory=time.monotonic)

    def run(self) -> Outcome:
        """Everything that was done, also after Ctrl-C or an error that ended it early."""
        began_s = time.monotonic()
        try:
            try:
                for job, item in self.engine(self._jobs()):
                    self._take(job, item, is_last_try=False)
                for job, item in self.engine(iter(list(self._again.values()))):
                    self._take(job, item, is_last_try=True)
            except KeyboardInterrupt:
                self.outcome.end, self.outcome.why = "interrupted", f"Stopped. {CONTINUE}"
            else:
                self.outcome.end = "failed" if self.outcome.failures else "done"
            self._store()
        except FirstpassError as error:
            self.outcome.end, self.outcome.why = "stopped", f"{error} {CONTINUE}"
        self.outcome.took_s = time.monotonic() - began_s
        return self.outcome

    def _jobs(self) -> Iterator[Job]:
        yield from self._jobs_of(self.tasks.page_after)
        for job in self._jobs_of(self.tasks.partial_page_after):
            self._had_partial.add(job.task["id"])
            yield job

    def _jobs_of(self, list_page: Callable[[int | None, str], TaskPage]) -> Iterator[Job]:
        last: int | None = None
        while self.limit is None or len(self._seen) < self.limit:
            target = self.current_target()
            page = list_page(last, target.version)
            if not page.tasks:
                return
            self._expect(page.n_left)
            for task in page.tasks:
                if task["id"] in self._seen or has_whole(task, target.version):
                    continue
                if self.limit is not None and len(self._seen) >= self.limit:
                    return
                self._seen.add(task["id"])
                yield target.make_job(task)
            last = page.tasks[-1]["id"]

    def _expect(self, n_left: int) -> None:
        n_all = len(self._seen) + n_left
        self.progress.expect(n_all if self.limit is None else min(n_all, self.limit))

    def _take(self, job: Job, item: PredictionItem, *, is_last_try: bool) -> None:
        task_id, error = job.task["id"], item.get("error")
        if error and error["code"] in PASSING_CODES and not is_last_try:
            self.tasks.wait_until_up()
            self._again[task_id] = job
            return
        if error:
            is_partial = item["model_version"].startswith(PARTIAL_PREFIX)
            self.outcome.fail(task_id, error, is_partial=is_partial)
        if "result" in item:
            had_partial = task_id in self._had_partial
            (self._waiting_partial if had_partial else self._waiting)[task_id] = item
        else:
            self.progress.advance(1, len(self.outcome.failures))
        n_waiting = len(self._waiting) + len(self._waiting_partial)
        if n_waiting >= self.chunk_tasks or time.monotonic() - self._stored_s > CHUNK_S:
            self._store()

    def _store(self) -> None:
        """Store what waits. Raises FirstpassError if another run has taken over."""
        if self.is_lock_lost():
            raise LabelStudioError("Another run has taken this project over.")
        self._store_items(self._waiting, self.tasks.lacking)
        self._store_items(self._waiting_partial, self.tasks.lacking_whole)
        self._stored_s = time.monotonic()

    def _store_items(self, items: dict[int, PredictionItem], lacking: Lacking) -> None:
        for task_id, stored in self.importer.store(items, lacking).items():
            version = items.pop(task_id)["model_version"]
            if stored.is_new:
                self.outcome.n_made[version] += 1
            elif stored.refusal:
                refusal = {"code": LabelStudioError.code, "message": stored.refusal}
                self.outcome.fail(task_id, refusal)
            else:
                self.outcome.n_there += 1
            self.progress.advance(1, len(self.outcome.failures))


def has_whole(task: Task, version: str) -> bool:
    """Whether a task that is listed in full has a prediction of exactly this version."""
    return any(one.get("model_version") == version for one in task.get("predictions") or ())

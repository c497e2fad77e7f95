"""Goes on with the tasks that /predict did not reach, and imports what it makes.

One run for each project, which holds the lock of `prelabel`; its tasks come after those of
requests wherever both wait for the model. It is known to all workers and replicas, which hand it
the tasks that they do not reach (`run_board.py`). A prediction is stored when it is made; what is
waiting goes on elsewhere after a crash; after a stop Label Studio asks for these tasks again.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from backend.errors import FirstpassError, LabelStudioError, OutOfMemory, RequestError
from backend.label_studio.client import LabelStudio
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.webhook_events import project_key
from backend.plain_thread import PlainThread
from backend.prediction.annotator import Annotator
from backend.prelabeling.background_run import BackgroundRun
from backend.prelabeling.chosen_tasks import ChosenTasks
from backend.prelabeling.engines import Job, ThreadEngine
from backend.prelabeling.importer import Importer
from backend.prelabeling.open_tasks import Task
from backend.prelabeling.outcome import describe_s
from backend.prelabeling.patience import Patience
from backend.prelabeling.prelabeler import CONTINUE, Prelabeler, Target
from backend.prelabeling.run_board import RunBoard
from backend.prelabeling.run_lock import RunLock
from backend.store.store import Store
from backend.timed_http import Deadline, have_all_ended

CHECK_S = 4.0  # for Label Studio to show the project: it waits for the answer of a late request
TAKE_OVER_EACH_S = 5.0  # a look for runs whose process was killed
BEAT_END_S = 10.0  # for what others see of a run to be written
PATIENCE_S = 120.0  # for a Label Studio that is away

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackgroundRuns:
    """Safe between threads. Implements `Background` of backend/prediction/late_tasks.py."""

    annotator: Annotator  # whose tasks come after those of requests
    n_threads: int  # of each run
    studio: LabelStudio
    store: Store
    settings_of: Callable[[str], ProjectSettings]
    _runs: dict[str, BackgroundRun] = field(default_factory=dict)
    _threads: dict[str, PlainThread] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_stopping: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def _board(self) -> RunBoard:
        return RunBoard(self.store)

    def is_at_work_on(self, project: str, task_id: Any) -> bool:
        """Whether this or another process has a prediction of this task on its way."""
        if type(task_id) is not int:
            return False
        run = self._runs.get(project)
        return run.has(task_id) if run is not None else task_id in self._board.at_work_on(project)

    def take(self, project: str, task_ids: Sequence[Any]) -> bool:
        """Whether these tasks go on: not without access to their project in Label Studio, a store
        for the lock, or while `prelabel` has the project."""
        if not all(type(task_id) is int for task_id in task_ids):
            return False
        try:
            self._check_access(project)
            return self._take(project, task_ids)
        except FirstpassError as error:
            log.info("project %s: nothing goes on in the background: %s", project, error)
            return False

    def take_over(self) -> None:
        """Go on with the runs of processes that were killed; tasks that have a prediction by now
        are passed over."""
        for project in self._board.projects():
            is_left = not self._board.is_held(project) and self._board.left_by(project)
            if is_left and self.take(project, []):
                log.info("project %s: goes on in the background after a crash", project)

    def keep_taking_over(self) -> None:
        """Begin to look for such runs, until `begin_to_stop`."""

        def look() -> None:
            while not self._is_stopping.wait(TAKE_OVER_EACH_S):
                try:
                    self.take_over()
                except Exception:
                    log.exception("runs in the background cannot be taken over")

        if self.studio.is_key_configured:
            threading.Thread(target=look, name="take-over", daemon=True).start()

    def rows(self) -> list[dict[str, Any]]:
        """For /ready: the runs of now, of all workers and replicas."""
        own = {name: {"project": name, **run.counts()} for name, run in list(self._runs.items())}
        return [*own.values(), *(row for row in self._board.rows() if row["project"] not in own)]

    def n_left(self) -> int:
        """Number of tasks of this process that are not done yet."""
        return sum(run.n_left for run in list(self._runs.values()))

    def begin_to_stop(self) -> None:
        """Have the runs end after the tasks in work; what was made is stored."""
        with self._lock:
            self._is_stopping.set()
            for run in self._runs.values():
                run.is_stopping.set()

    def stop(self, timeout_s: float) -> bool:
        """Whether all runs ended in time."""
        self.begin_to_stop()
        stops_at_s = time.monotonic() + timeout_s  # no Deadline: all of them pass at a signal
        for thread in list(self._threads.values()):
            thread.join(max(stops_at_s - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in list(self._threads.values()))

    def _check_access(self, project: str) -> None:
        """Raise FirstpassError where predictions of the project could not be stored."""
        if self.studio.api_key is None:
            raise LabelStudioError("that takes a LABEL_STUDIO_API_KEY.")
        with Deadline(CHECK_S):
            self._described(project)

    def _take(self, project: str, task_ids: Sequence[int]) -> bool:
        with self._lock:
            if self._is_stopping.is_set():
                return False
            if project in self._runs:
                run = self._runs[project]
                self._board.publish(run, run.add(task_ids))
                return True
            lock = RunLock(self.store, project)
            if not lock.try_acquire():
                return self._board.hand(project, task_ids)
            run = self._runs[project] = BackgroundRun(project)
            left = self._board.left_by(project)  # of a process that was killed
            self._board.publish(run, run.add([*task_ids, *left]))
            try:
                self._threads[project] = PlainThread(partial(self._work, run, lock))
            except RuntimeError as error:
                self._forget(run, lock)
                raise OutOfMemory("There was no memory for another thread.") from error
        return True

    def _forget(self, run: BackgroundRun, lock: RunLock) -> None:
        """Leave its project to whoever takes it next, whatever has ended the run."""
        self._runs.pop(run.project, None)
        self._board.remove(run.project)
        lock.release()

    def _work(self, run: BackgroundRun, lock: RunLock) -> None:
        project, has_ended = run.project, threading.Event()
        with ExitStack() as at_end:
            at_end.callback(self._forget, run, lock)
            with suppress(RuntimeError):  # without memory for it others see the run as it began
                beat = PlainThread(partial(self._board.keep_up, run, has_ended))
                at_end.callback(beat.join, BEAT_END_S)
            at_end.callback(has_ended.set)
            while True:
                try:
                    self._run_once(run, lock)
                except Exception:
                    log.exception("project %s: the background has failed", project)
                    run.is_stopping.set()
                with self._lock:  # none is added between this look and the end
                    run.add(self._board.take_handed(run, or_end=not run.n_waiting))
                    if run.is_stopping.is_set() or not run.n_waiting:
                        del self._runs[project]
                        break
        if run.n_left:
            log.warning(
                "project %s: %d of %d tasks in the background are not done: choose Retrieve "
                "Predictions again.", project, run.n_left, run.n_tasks,
            )  # fmt: skip

    def _run_once(self, run: BackgroundRun, lock: RunLock) -> None:
        """Predict and store the tasks that wait, and those that are added meanwhile."""
        project, number = run.project, number_of(run.project)

        def say(sentence: str) -> None:
            log.warning("project %s: %s", project, sentence)

        def is_stopping() -> bool:
            if have_all_ended():  # executors are shut down before anybody calls `begin_to_stop`
                run.is_stopping.set()
            return run.is_stopping.is_set()

        patience = Patience(say, limit_s=PATIENCE_S, is_stopping=run.is_stopping)
        tasks = ChosenTasks(self.studio, patience, number, next_ids=run.next_ids)
        prelabeler = Prelabeler(
            tasks=tasks,
            importer=Importer(self.studio, patience, number),
            engine=ThreadEngine(self.annotator, self.n_threads, is_stopping),
            current_target=lambda: patience(lambda: self._target(project)),
            is_lock_lost=lock.is_lost,
            progress=run,
            chunk_tasks=1,  # at SIGTERM all exchanges end: what is made is stored by then
        )
        run.outcome = prelabeler.outcome
        outcome = prelabeler.run()
        log.info(
            "project %s: in the background %d predictions made in %s, %d tasks failed",
            project, outcome.made, describe_s(outcome.took_s), len(outcome.failures),
        )  # fmt: skip
        if outcome.end == "stopped" and not run.is_stopping.is_set():
            say(outcome.why.removesuffix(CONTINUE))  # Label Studio is away or refuses
            run.is_stopping.set()
        elif not run.is_stopping.is_set():
            run.count_all_but_waiting()

    def _target(self, project: str) -> Target:
        """By the project's labeling config, settings and lessons of now."""
        described = self._described(project)
        label_config = str(described.get("label_config") or "")
        settings, login = self.settings_of(project), described.get("task_data_login")
        auth = (str(login), str(described.get("task_data_password") or "")) if login else None

        def make_job(task: Task) -> Job:
            return Job(task, project, label_config, settings, auth)

        return Target(self.annotator.version(settings, project, label_config), make_job)

    def _described(self, project: str) -> Mapping[str, Any]:
        """The project as Label Studio has it. Raises LabelStudioError; also if it is another."""
        described: Mapping[str, Any]
        described = self.studio.get_json(f"/api/projects/{number_of(project)}/")
        is_described = isinstance(described, Mapping) and "id" in described
        if is_described and project_key(described) == project:
            return described
        raise LabelStudioError(f"{self.studio.shown_url} has another project of this number.")


def number_of(project: str) -> int:
    """Label Studio's number in "12.1795366020". Raises RequestError for a name of another kind."""
    number = project.partition(".")[0]
    if not (number.isascii() and number.isdigit()):
        raise RequestError(f"{project!r} is no project of Label Studio.")
    return int(number)

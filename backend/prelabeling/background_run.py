"""The tasks of one project that are predicted in the background, and what became of them."""

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from backend.prelabeling.outcome import Outcome


@dataclass
class BackgroundRun:
    """Safe between threads. It is a `Progress`."""

    project: str  # as in Label Studio's requests
    n_tasks: int = 0
    n_done: int = 0  # stored, failed, or had one already
    outcome: Outcome = field(default_factory=Outcome)  # of the part that runs now
    is_over: bool = False  # for other processes, which hand it nothing any more
    is_stopping: threading.Event = field(default_factory=threading.Event)
    _waiting: deque[int] = field(default_factory=deque)  # ids of tasks
    _known: set[int] = field(default_factory=set)  # that were ever added
    _told: set[int] = field(default_factory=set)  # that failed, and of which others know
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, task_ids: Iterable[int]) -> list[int]:
        """Take on the tasks that it does not have yet; which these are."""
        with self._lock:
            new = [task_id for task_id in dict.fromkeys(task_ids) if task_id not in self._known]
            self._known.update(new)
            self._waiting.extend(new)
            self.n_tasks += len(new)
            return new

    def counts(self) -> dict[str, int]:
        """As /ready shows them."""
        failed = len(self.outcome.failures)
        return {"tasks": self.n_tasks, "done": self.n_done, "failed": failed}

    def new_failures(self) -> list[int]:
        """Tasks that failed since this was asked last."""
        with self._lock:
            new = [task_id for task_id in list(self.outcome.failures) if task_id not in self._told]
            self._told.update(new)
            return new

    def has(self, task_id: int) -> bool:
        """Whether the prediction of a task is on its way, or has been made; not if it failed."""
        return task_id in self._known and task_id not in self.outcome.failures

    def next_ids(self, n_most: int) -> Sequence[int]:
        with self._lock:
            if self.is_stopping.is_set():
                return []
            return [self._waiting.popleft() for _ in range(min(n_most, len(self._waiting)))]

    @property
    def n_waiting(self) -> int:
        return len(self._waiting)

    @property
    def n_left(self) -> int:
        return self.n_tasks - self.n_done

    def expect(self, n_tasks: int) -> None:
        """Nothing: a `Progress` is told the length of the page, and this knows of all."""

    def advance(self, n_tasks: int, n_failed: int) -> None:  # noqa: ARG002
        self.n_done += n_tasks

    def count_all_but_waiting(self) -> None:
        """After a part has ended by itself: tasks that had a prediction were passed over."""
        self.n_done = self.n_tasks - self.n_waiting

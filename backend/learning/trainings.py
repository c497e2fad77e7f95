"""Versions that were asked for and wait for annotations on their way.

With "start training on annotation submission" Label Studio sends START_TRAINING before the event
of that annotation. So a version waits for some seconds, and the next annotation completes it.
"""

import contextlib
import time
from dataclasses import dataclass, field

from backend.errors import StoreError
from backend.memory.lesson_store import LessonStore


@dataclass
class Trainings:
    """Of one learning worker, which calls it from one thread."""

    lessons: LessonStore
    wait_s: float
    due_s: dict[str, float] = field(default_factory=dict)  # project -> s since 1970
    is_resumed: bool = False

    def ask(self, project: str, queued_as: str) -> None:
        """Ask for a version of this project. Raises StoreError."""
        self.lessons.ask_version(project, queued_as=queued_as, wait_s=self.wait_s)
        self.due_s[project] = time.time() + self.wait_s

    def finish_due(self) -> None:
        """Make the versions that have waited long enough; while the store is down they wait on."""
        if not self.is_resumed:
            self._resume()
        for project in [key for key, due_s in self.due_s.items() if due_s <= time.time()]:
            with contextlib.suppress(StoreError):  # logged where it arose
                self.lessons.finish_training(project)
                del self.due_s[project]

    def _resume(self) -> None:
        """Find what a process that was killed had asked for."""
        with contextlib.suppress(StoreError):
            for project in self.lessons.projects():
                with contextlib.suppress(StoreError):  # of a project that cannot be read
                    if due_s := self.lessons.head(project).training_due_s:
                        self.due_s.setdefault(project, due_s)
            self.is_resumed = True

"""Tasks that were chosen by somebody, as far as they still lack a prediction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backend.prelabeling.open_tasks import PAGE_TASKS, OpenTasks, TaskPage


@dataclass(frozen=True, kw_only=True)
class ChosenTasks(OpenTasks):
    """Instead of all of the project those whose ids `next_ids(n)` gives, at most n at a time.

    Tasks are as Label Studio has them, whoever chose them.
    """

    next_ids: Callable[[int], Sequence[int]]

    def page_after(self, task_id: int | None, version: str) -> TaskPage:  # noqa: ARG002
        """The next tasks that are there and without any prediction of this version."""
        while task_ids := self.next_ids(PAGE_TASKS):
            if tasks := self.chosen(task_ids, version):
                return TaskPage(tasks, len(tasks))
        return TaskPage([], 0)

    def partial_page_after(self, task_id: int | None, version: str) -> TaskPage:  # noqa: ARG002
        """None: Label Studio asks for tasks that were answered in part."""
        return TaskPage([], 0)

"""The tasks of a project that lack a prediction of a version, page by page.

Pages follow the task ids and not page numbers, since tasks leave the list while they are predicted.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from backend.errors import LabelStudioError
from backend.label_studio.client import LabelStudio
from backend.prediction.prediction_items import PARTIAL_PREFIX
from backend.prelabeling.patience import Patience

Order = Literal["oldest", "newest"]
Task = Mapping[str, Any]
Filter = Mapping[str, Any]

PAGE_TASKS = 50
PAGE_TASKS_IN_FULL = 5  # with annotations and predictions, that is masks


@dataclass(frozen=True)
class TaskPage:
    tasks: Sequence[Task]
    n_left: int  # tasks from this page on, those of the page among them


@dataclass(frozen=True)
class OpenTasks:
    """Tasks of one project, through the filters of Label Studio's data manager."""

    studio: LabelStudio
    patience: Patience
    project: int
    order: Order = "oldest"
    only_unlabeled: bool = False

    def page_after(self, task_id: int | None, version: str) -> TaskPage:
        """The next tasks without any prediction of this version, whole or partial."""
        return self._page([*self._after(task_id), version_filter("not_contains", version)])

    def partial_page_after(self, task_id: int | None, version: str) -> TaskPage:
        """The next tasks with a partial prediction of this version, with all their predictions."""
        found = version_filter("contains", PARTIAL_PREFIX + version)
        page = self._page([*self._after(task_id), found], fields="all", size=PAGE_TASKS_IN_FULL)
        unique = {task["id"]: task for task in page.tasks}  # listed once for each such prediction
        return TaskPage(list(unique.values()), page.n_left)

    def lacking(self, task_ids: Sequence[int], version: str) -> set[int]:
        """Which of these tasks are there and still without any prediction of this version."""
        return {task["id"] for task in self.chosen(task_ids, version)}

    def chosen(self, task_ids: Sequence[int], version: str) -> Sequence[Task]:
        """Those of these tasks that are there and still without any prediction of this version."""
        chosen = {"all": False, "included": list(task_ids)}
        missing = version_filter("not_contains", version)
        return self._page([missing], size=len(task_ids), selectedItems=chosen).tasks

    def lacking_whole(self, task_ids: Sequence[int], version: str) -> set[int]:
        """As `lacking`, but a partial prediction does not count; it reads all their masks."""
        return {task_id for task_id in task_ids if version not in self._versions_of(task_id)}

    def wait_until_up(self) -> None:
        """Return at once if Label Studio answers, else when it does. Raises LabelStudioError."""
        self.patience(lambda: self.studio.get_public_json("/api/version"))

    def _versions_of(self, task_id: int) -> list[str]:
        query = {"task": task_id}
        rows = self.patience(lambda: self.studio.get_json("/api/predictions/", query))
        return [row.get("model_version") for row in rows]

    def _after(self, task_id: int | None) -> Iterator[Filter]:
        if task_id is not None:
            yield number_filter("id", "less" if self.order == "newest" else "greater", task_id)
        if self.only_unlabeled:
            yield number_filter("total_annotations", "equal", 0)

    def _page(
        self,
        filters: Sequence[Filter],
        *,
        fields: str = "task_only",
        size: int = PAGE_TASKS,
        **more: Any,
    ) -> TaskPage:
        ordering = "-tasks:id" if self.order == "newest" else "tasks:id"
        asked = {
            "filters": {"conjunction": "and", "items": filters},
            "ordering": [ordering],
            **more,
        }
        query = {
            "project": self.project, "fields": fields, "resolve_uri": "false", "page_size": size,
            "query": json.dumps(asked),
        }  # fmt: skip
        answer = self.patience(lambda: self.studio.get_json("/api/tasks", query))
        try:
            tasks = [task for task in answer["tasks"] if int(task["id"])]
            return TaskPage(tasks, int(answer["total"]))
        except (KeyError, TypeError, ValueError) as error:
            raise LabelStudioError(
                f"Label Studio lists the tasks of project {self.project} in no known form "
                f"({type(error).__name__}: {error})."
            ) from error


def version_filter(operator: str, version: str) -> Filter:
    """Label Studio looks for the version within those of the task's predictions."""
    return {
        "filter": "filter:tasks:predictions_model_versions",
        "operator": operator,
        "type": "List",
        "value": [version],
    }


def number_filter(column: str, operator: str, value: int) -> Filter:
    return {
        "filter": f"filter:tasks:{column}",
        "operator": operator,
        "type": "Number",
        "value": value,
    }

"""Stores predictions in Label Studio: each once, whatever breaks in between.

Predictions go one by one to /api/predictions/. Its /import/predictions takes many at once, but 1.23
drops invalid ones of them without a word, and then counts all predicted tasks of the project anew:
20 predictions took it 0.7 s in a new project, and 12 to 18 s where 2000 tasks had one. One by one
they took 6 to 9 s in either, on a machine at load 17.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backend.errors import LabelStudioError
from backend.label_studio.answers import Forbidden, NotFound, Refused, Unauthorized, Unavailable
from backend.label_studio.client import LabelStudio
from backend.prediction.prediction_items import PARTIAL_PREFIX, PredictionItem
from backend.prelabeling.patience import Patience

# Task ids and a version -> those of them without a prediction of it.
Lacking = Callable[[Sequence[int], str], set[int]]


@dataclass(frozen=True)
class Stored:
    """What became of a prediction; neither: the task has one by now, or is gone."""

    is_new: bool = False
    refusal: str = ""  # why Label Studio does not take it


@dataclass(frozen=True)
class Importer:
    studio: LabelStudio
    patience: Patience
    project: int

    def store(self, items: Mapping[int, PredictionItem], lacking: Lacking) -> dict[int, Stored]:
        """What became of each task's item. Raises LabelStudioError if it cannot go on."""
        outcomes: dict[int, Stored] = {}
        by_version: dict[str, dict[int, PredictionItem]] = {}
        for task_id, item in items.items():
            version = item["model_version"].removeprefix(PARTIAL_PREFIX)
            by_version.setdefault(version, {})[task_id] = item
        for version, waiting in by_version.items():
            while waiting:
                self._store_version(waiting, version, lacking, outcomes)
        return outcomes

    def _store_version(
        self,
        waiting: dict[int, PredictionItem],
        version: str,
        lacking: Lacking,
        outcomes: dict[int, Stored],
    ) -> None:
        """Move items from `waiting` to `outcomes`, one at least."""

        def attempt() -> None:
            # Asked anew each time: what broke off may have been stored.
            still = lacking(list(waiting), version)
            for task_id in list(waiting):
                outcomes[task_id] = (
                    self._post(task_id, waiting[task_id]) if task_id in still else Stored()
                )
                del waiting[task_id]

        try:
            self.patience(attempt)
        except (Forbidden, NotFound, Unauthorized, Unavailable):
            raise
        except LabelStudioError as error:  # a fault of its own with the first that waits
            task_id = next(iter(waiting))
            outcomes[task_id] = Stored(refusal=str(error))
            del waiting[task_id]

    def _post(self, task_id: int, item: PredictionItem) -> Stored:
        kept = ("result", "score", "model_version")
        body = {"task": task_id, "project": self.project, **{key: item[key] for key in kept}}
        try:
            self.studio.post_json("/api/predictions/", body)
        except Refused as error:
            return Stored(refusal=str(error))
        return Stored(is_new=True)

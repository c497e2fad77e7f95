"""Answers the tasks of a /predict with predictions.

It keeps no state between calls, so any thread or worker can answer any request: lessons are in the
store, in versions that do not change.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.label_studio.config_digest import config_digest
from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.smart_prompts import read_prompts
from backend.memory.active_version import ActiveVersions, LoadedVersion
from backend.memory.agreement import ShownBy
from backend.metrics import Metrics
from backend.prediction.late_tasks import (
    Background,
    go_on_with_late_tasks,
    in_background_item,
)
from backend.prediction.predict_request import PredictRequest
from backend.prediction.prediction_items import (
    PredictionItem,
    error_item,
    partial_item,
    prediction_item,
    report_failures,
    task_id_of,
)
from backend.prediction.project_context import ContextResolver, ProjectContext
from backend.prediction.task_painter import TaskPainter
from backend.prediction.task_threads import map_in_threads
from backend.recent_failures import RecentFailures
from model import describe_tower, tower_warning


@dataclass(frozen=True)
class Annotator:
    resolve_context: ContextResolver
    painter: TaskPainter
    metrics: Metrics
    failures: RecentFailures
    budget_s: float  # of one request
    parallel_tasks: int  # of one request; one loads its image while another is in the model
    active_versions: ActiveVersions | None  # None: lessons are not used
    background: Background | None = None  # goes on with late tasks; None: they are asked again
    is_background: bool = False  # nobody waits for its predictions: others come before

    def predict(
        self,
        tasks: Sequence[Any],
        label_config: str,
        settings: ProjectSettings,
        *,
        project_id: str = "",
        context: Mapping[str, Any] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> list[PredictionItem]:
        """One prediction for each task, in order; that of a failed task has no "result".

        Label Studio skips such an item and asks again later, while it would store an empty "result"
        as "predicted, nothing found". A task of which a part failed has what could be made and an
        "error". `context` has the prompts of smart tools.
        """
        deadline_s = time.monotonic() + self.budget_s
        project = self.resolve_context(project_id, settings)
        active = self.active_version(project)
        version = project.model_version(active.name, config_digest(label_config))

        def make_request() -> PredictRequest:
            return PredictRequest(
                project=project,
                controls=read_controls(label_config),
                prompts=read_prompts(context),
                shown_by=ShownBy(version, active.name),
                memories=active.memories,
                auth=auth,
                deadline_s=deadline_s,
                budget_s=self.budget_s,
                is_background=self.is_background,
            )

        items = self.predict_tasks(tasks, make_request, version)
        go_on_with_late_tasks(project_id, tasks, items, self.background)
        report_failures(project_id, tasks, items, self.failures)
        return items

    def predict_tasks(
        self, tasks: Sequence[Any], make_request: Callable[[], PredictRequest], version: str
    ) -> list[PredictionItem]:
        """A prediction for each task; if the request itself is invalid, its error for each."""
        try:
            request = make_request()
        except Exception as error:
            return [error_item(task, error, version, self.metrics) for task in tasks]
        if request.prompts == ():  # all were removed, or are of kinds that are not understood
            return [prediction_item([], version) for _ in tasks]

        def predict_task(task: Any) -> PredictionItem:
            if len(tasks) > 1 and self.is_in_background(task, request):
                return in_background_item(version)
            try:
                painted = self.painter.paint(task, request)
            except Exception as error:
                return error_item(task, error, version, self.metrics)
            if painted.failures:
                return partial_item(task, painted, version, self.metrics)
            self.metrics.tasks.labels("painted" if painted.regions else "empty").inc()
            return prediction_item(painted.regions, version)

        return map_in_threads(predict_task, tasks, self.parallel_tasks)

    def is_in_background(self, task: Any, request: PredictRequest) -> bool:
        """Whether a task is being predicted already; a person's click or look does not wait."""
        return (
            self.background is not None
            and request.prompts is None
            and self.background.is_at_work_on(request.project.id, task_id_of(task))
        )

    def active_version(self, project: ProjectContext) -> LoadedVersion:
        """The version of the project's lessons that its predictions use; empty if none."""
        if self.active_versions is None:
            return LoadedVersion()
        pinned = project.settings.memory_version
        return self.active_versions.load(project.id, pinned, project.space)

    def version(
        self, settings: ProjectSettings, project_id: str = "", label_config: str = ""
    ) -> str:
        """`model_version` of the predictions that `predict` makes with the same arguments."""
        project = self.resolve_context(project_id, settings)
        lessons = ""
        if self.active_versions is not None:
            pinned = project.settings.memory_version
            lessons = self.active_versions.active_name(project.id, pinned, project.space)
        return project.model_version(lessons, config_digest(label_config))

    def describe(self) -> dict[str, str]:
        """For /ready: model, model_version, tower and its warning, device, precision."""
        segmenter = self.resolve_context.segmenter
        return {
            "model": f"{segmenter.model_name}-{segmenter.fingerprint[:8]}",
            "model_version": self.version(ProjectSettings()),
            "tower": describe_tower(segmenter.encode_image.traits),
            "tower_warning": tower_warning(segmenter.encode_image.traits),
            "device": str(segmenter.encode_image.device),
            "precision": segmenter.precision,
        }

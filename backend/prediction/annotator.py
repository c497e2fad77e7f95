"""Tasks in, predictions out.

Nothing that an answer depends on is kept between two calls, so any thread or worker may answer any
request: what was learnt is in the store, in versions that do not change.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.smart_prompts import read_prompts
from backend.memory.active_version import ActiveVersions, LoadedVersion
from backend.metrics import Metrics
from backend.prediction.answers import Answer, failure, log_failures, success
from backend.prediction.predict_request import PredictRequest
from backend.prediction.project_context import ContextResolver, ProjectContext
from backend.prediction.task_painter import TaskPainter


@dataclass(frozen=True)
class Annotator:
    resolve: ContextResolver
    painter: TaskPainter
    metrics: Metrics
    budget_s: float  # of one request
    tasks_at_once: int  # of one request; one loads its image while another is in the model
    active_versions: ActiveVersions | None  # None: what was learnt is not used

    def predict(
        self,
        tasks: Sequence[Any],
        label_config: str,
        settings: ProjectSettings,
        *,
        project_id: str = "",
        context: Mapping[str, Any] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> list[Answer]:
        """One prediction a task, in order; a task that fails gets one without "result".

        Label Studio skips such an item and asks again another time, while it would store an empty
        "result" as "predicted, nothing found". `context` holds the prompts of smart tools.
        """
        deadline_s = time.monotonic() + self.budget_s
        project = self.resolve(project_id, settings)
        active = self.active_version(project)
        version = project.model_version(active.name)
        if context is not None and not context.get("result"):
            return [success([], version) for _ in tasks]  # prompts were taken back

        def make_request() -> PredictRequest:
            return PredictRequest(
                project=project,
                controls=read_controls(label_config),
                prompts=read_prompts(context),
                memories=active.memories,
                auth=auth,
                deadline_s=deadline_s,
                budget_s=self.budget_s,
            )

        answers = self.answer_all(tasks, make_request, version)
        log_failures(tasks, answers)
        return answers

    def answer_all(
        self, tasks: Sequence[Any], make_request: Callable[[], PredictRequest], version: str
    ) -> list[Answer]:
        """An answer a task; where the request itself is wrong, the same failure for each."""
        try:
            request = make_request()
        except Exception as error:
            return [failure(task, error, version, self.metrics) for task in tasks]

        def answer(task: Any) -> Answer:
            try:
                regions = self.painter.paint(task, request)
            except Exception as error:
                return failure(task, error, version, self.metrics)
            self.metrics.tasks.labels("painted" if regions else "empty").inc()
            return success(regions, version)

        if len(tasks) == 1:
            return [answer(tasks[0])]
        with ThreadPoolExecutor(self.tasks_at_once, thread_name_prefix="task") as threads:
            return list(threads.map(answer, tasks))

    def active_version(self, project: ProjectContext) -> LoadedVersion:
        """What the project has learnt, of the version that it uses."""
        if self.active_versions is None:
            return LoadedVersion()
        pinned = project.settings.memory_version
        return self.active_versions.load(project.id, pinned, project.space)

    def version(self, settings: ProjectSettings, project_id: str = "") -> str:
        """model_version: checkpoint, method, settings and what was learnt; never empty."""
        project = self.resolve(project_id, settings)
        if self.active_versions is None:
            return project.untaught_version
        pinned = project.settings.memory_version
        return project.model_version(
            self.active_versions.active_name(project.id, pinned, project.space)
        )

    def describe(self) -> dict[str, str]:
        """What predicts, for /ready and people."""
        segmenter = self.resolve.segmenter
        encoder = segmenter.encode_image
        return {
            "model": f"{segmenter.model_name}-{segmenter.fingerprint[:8]}",
            "model_version": self.version(ProjectSettings()),
            "device": str(encoder.device),
            "precision": str(encoder.autocast_dtype or torch.float32).removeprefix("torch."),
        }

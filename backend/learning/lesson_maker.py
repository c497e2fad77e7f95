"""Makes the lessons of one annotation: for each control, on each page that it says something of.

What is damaged or cannot be loaded is left out, named in the log and in /ready, and costs nothing
else.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.errors import ImageError, RequestError
from backend.label_studio.controls import read_controls
from backend.label_studio.webhook_events import Annotation, project_key
from backend.learning.annotation_masks import (
    has_information,
    labeled_regions,
    taught_masks,
)
from backend.learning.comparison import compare_with_shown
from backend.log_once import WarnOnce
from backend.memory.lesson_store import NewLesson
from backend.memory.predicted_masks import PredictedMasks
from backend.metrics import Metrics
from backend.prediction.label_vocabulary import vocabulary_of
from backend.prediction.page_loader import PageLoader
from backend.prediction.project_context import ContextResolver, ProjectContext
from backend.prediction.project_registry import ProjectRegistry
from backend.prediction.task_targets import MaskTarget, read_targets
from backend.recent_failures import RecentFailures, error_code
from model import ModelError, Segmenter

log = logging.getLogger(__name__)


@dataclass
class LessonMaker:
    segmenter: Segmenter
    resolve_context: ContextResolver
    pages: PageLoader
    projects: ProjectRegistry
    metrics: Metrics
    failures: RecentFailures
    predicted_masks: PredictedMasks | None = None
    image_budget_s: float = 90.0  # for one image to wait for the model
    warn_once: WarnOnce = field(default_factory=lambda: WarnOnce(log))

    def __call__(
        self, annotation: Annotation, project: Mapping[str, Any], *, is_last_try: bool
    ) -> list[NewLesson]:
        """A lesson for each control and page on which the annotation has information.

        Raises the first error if there is no lesson because of errors. Raises ImageError for a
        page that cannot be loaded, which may come later, but in the last try only if none can.
        """
        key = project_key(project)
        context = self.resolve_context(key, self.projects.settings_of(key))
        login, password = project.get("task_data_login"), project.get("task_data_password")
        auth = (str(login), str(password or "")) if login else None
        task_id = int(annotation.task_id) if annotation.task_id.isdigit() else annotation.task_id
        found: list[NewLesson] = []
        controls = read_controls(str(project.get("label_config") or ""))
        targets, failed = read_targets(controls, task_id, annotation.task_data)
        failures: dict[str, Exception] = {str(one.error): one.error for one in failed}
        for target in targets:
            if target.control.draws_boxes:
                self.warn_once(
                    f"project {key}: nothing is learned from the rectangles or ellipses of "
                    f'"{target.control.from_name}", since a box is no mask. A BrushLabels with the '
                    "same labels beside it would be painted instead, and its corrections teach."
                )
                continue
            if not has_information(annotation, target.control, target.image.page):
                continue
            try:
                found += self.make_lesson(annotation, target, context, auth, failures)
            except (ImageError, RequestError, ModelError) as error:
                if isinstance(error, ImageError) and not is_last_try:
                    raise
                failures[str(error)] = error
        if failures and not found:
            raise next(iter(failures.values()))
        for message, failure in failures.items():
            line = (
                f"annotation {annotation.id} of task {annotation.task_id} is learned from only in "
                f"part: {message}"
            )
            log.warning("%s", line)
            self.failures.add(key, "learn", error_code(failure), line, task=task_id)
        return found

    def make_lesson(
        self,
        annotation: Annotation,
        target: MaskTarget,
        context: ProjectContext,
        auth: tuple[str, str] | None,
        failures: dict[str, Exception],
    ) -> list[NewLesson]:
        """One lesson or none; each damaged region is added to the failures."""
        vocabulary = vocabulary_of(target.labels, context.settings)
        loaded = self.pages.load(
            target.image.uri, context, vocabulary,
            task_id=target.task_id, auth=auth, timeout_s=self.image_budget_s,
        )  # fmt: skip
        image_hw, page = loaded.features.image_hw, target.image.page
        regions = labeled_regions(annotation, target.control, target.labels, page, image_hw)
        failures |= {message: RequestError(message) for message in regions.damaged.values()}
        shown = None
        if self.predicted_masks is not None:
            shown = self.predicted_masks.load(context.id, target.task_id, target.place, image_hw)
        taught = taught_masks(annotation, regions, shown.masks if shown else None)
        if taught is None:
            return []
        with self.metrics.stage("learn"):
            lesson = self.segmenter.learn(
                loaded.features, loaded.image, taught, vocabulary, context.method
            )
        agreement = compare_with_shown(annotation, regions, shown, target.control.from_name)
        return [NewLesson(target.control.lesson_name, page, lesson, agreement)]

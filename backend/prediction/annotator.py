"""Tasks in, predictions out: the one place where Label Studio's words meet the model's.

Nothing that an answer depends on is kept between two calls, so any thread or worker may answer any
request: what was learnt is in the store, in versions that do not change.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Semaphore
from typing import Any

import numpy as np
import torch

from backend.errors import FirstpassError, Overloaded, RequestError
from backend.images.loader import ImageLoader
from backend.label_studio.controls import image_uris, labels_for, read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.smart_prompts import Prompt, asked_of, index_of_label, read_prompts
from backend.masks.regions import encode_regions
from backend.memory.active_version import Learnt, Recall
from backend.memory.shown_predictions import ShownMasks
from backend.metrics import Metrics
from backend.prediction.answers import digest, id_of, log_failures, task_score
from backend.prediction.batcher import Batcher
from backend.prediction.feature_cache import FeatureCache, Page
from backend.prediction.label_vocabulary import vocabulary_of
from backend.prediction.predict_request import Place, Question
from model import DenseFeatures, ModelError, Segmenter, SegmentSettings

NOTHING = np.zeros((64, 64, 3), dtype=np.uint8)  # an image to warm up with

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Annotator:
    segmenter: Segmenter
    load_image: ImageLoader
    batcher: Batcher
    default: SegmentSettings = field(default_factory=SegmentSettings)
    metrics: Metrics = field(default_factory=Metrics)
    budget_s: float = 90.0
    features: FeatureCache | None = None
    recall: Recall | None = None  # None: what was learnt is not used
    shown: ShownMasks | None = None  # None: what is shown is not remembered
    tasks_at_once: int = 2  # of one request; one loads its image while another is in the model
    # Refining takes memory by the classes and pixels, and all cores: one image after the other.
    segment_turn: Semaphore = field(default_factory=lambda: BoundedSemaphore(1))

    def version(self, project: ProjectSettings, project_id: str = "") -> str:
        """model_version: checkpoint, method, settings and what was learnt; never empty."""
        name = ""
        if self.recall is not None:
            space = self.segmenter.space(project.segment_settings(self.default).resolve())
            name = self.recall.name(project_id, project.memory_version, space)
        return self.version_with(project, name)

    def version_with(self, project: ProjectSettings, learnt: str) -> str:
        """The model_version with this version of what was learnt, "" for none."""
        version = self.segmenter.version(project.segment_settings(self.default).resolve())
        words = project.words_json()
        version = f"{version}+{digest(words)[:4]}" if words else version
        return f"{version}+memory-{learnt}" if learnt else version

    def predict(
        self,
        tasks: Sequence[Any],
        label_config: str,
        project: ProjectSettings,
        *,
        project_id: str = "",
        context: Mapping[str, Any] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """One prediction a task, in order; a task that fails gets one without "result".

        Label Studio skips such an item and asks again another time, while it would store an empty
        "result" as "predicted, nothing found".
        """
        settings, learnt = project.segment_settings(self.default), Learnt()
        if self.recall is not None:
            space = self.segmenter.space(settings.resolve())
            learnt = self.recall.learnt(project_id, project.memory_version, space)
        version = self.version_with(project, learnt.name)
        if context is not None and not context.get("result"):
            # Sent when prompts are taken back; nothing is asked for.
            return [{"result": [], "score": 0.0, "model_version": version} for _ in tasks]
        deadline = time.monotonic() + self.budget_s

        def answer(task: Any) -> dict[str, Any]:
            try:
                question = Question(
                    read_controls(label_config), project, project_id,
                    settings, learnt, read_prompts(context), auth, deadline,
                )  # fmt: skip
                regions = self.paint(task, question)
            except Exception as error:
                return {"error": self.failure(task, error), "model_version": version}
            self.metrics.tasks.labels("painted" if regions else "empty").inc()
            return {"result": regions, "score": task_score(regions), "model_version": version}

        if len(tasks) == 1:
            answers = [answer(tasks[0])]
        else:
            with ThreadPoolExecutor(self.tasks_at_once, thread_name_prefix="task") as threads:
                answers = list(threads.map(answer, tasks))
        log_failures(tasks, answers)
        return answers

    def paint(self, task: Any, question: Question) -> list[dict[str, Any]]:
        """The regions of one task: every image of every control."""
        if time.monotonic() > question.deadline:
            raise Overloaded(
                f"Not begun within {self.budget_s:g} s (PREDICT_BUDGET_S): "
                "ask for this task again, or for fewer tasks at once."
            )
        if not isinstance(task, Mapping) or not isinstance(task.get("data"), Mapping):
            raise RequestError('A task must be an object with an object "data".')
        pages: dict[str, Page] = {}
        regions: list[dict[str, Any]] = []
        for control in question.controls:
            labels = labels_for(control, task["data"])
            for index, uri in enumerate(image_uris(control, task["data"])):
                prompts = asked_of(control, index, question.prompts)
                if question.prompts and not prompts:
                    continue
                if uri not in pages:
                    pages[uri] = self.open_page(uri, task.get("id"), question)
                place = Place(task.get("id"), control, labels, index)
                if prompts:
                    regions += self.answer_prompts(pages[uri], place, prompts, question)
                else:
                    regions += self.paint_labels(pages[uri], place, question)
        return regions

    def open_page(self, uri: str, task_id: Any, question: Question) -> Page:
        """The image and its features: for a click those at hand, else the image as it is now."""
        source = (question.project_id, task_id, uri, question.auth)
        space = self.segmenter.space(question.settings.resolve()) if self.features else ""
        if self.features and question.prompts and (page := self.features.page(source, space)):
            return page
        with self.metrics.stage("load"):
            image = self.load_image(uri, task_id=task_id, auth=question.auth)

        def encode() -> DenseFeatures:
            left_s = max(question.deadline - time.monotonic(), 0.0)
            return self.batcher(image, question.settings.resolve(), timeout_s=left_s)

        with self.metrics.stage("encode"):
            if self.features is None:
                return Page(image, encode())
            return Page(image, self.features.features(source, image, space, encode))

    def paint_labels(self, page: Page, place: Place, question: Question) -> list[dict[str, Any]]:
        """A region for each label that is in the image."""
        vocabulary = vocabulary_of(place.labels, question.project)
        memory = question.learnt.memories.get(place.control.from_name)
        with self.turn(question), self.metrics.stage("segment"):
            found = self.segmenter.segment(
                page.features, page.image, vocabulary, question.settings.resolve(), memory
            )
        with self.metrics.stage("regions"):
            regions: list[dict[str, Any]] = []
            for index, _, mask, score in found.non_empty():
                if np.count_nonzero(mask) < max(question.project.min_region_px, 1):
                    continue
                label = place.labels[index]
                regions += encode_regions(
                    place.control, label, mask, float(score),
                    region_id=place.region_id(label.name), item_index=place.item_index,
                )  # fmt: skip
        if self.shown is not None:
            names = (question.project_id, place.task_id, place.control.from_name, place.page)
            self.shown.keep(*names, found)
        return regions

    def answer_prompts(
        self, page: Page, place: Place, prompts: Sequence[Prompt], question: Question
    ) -> list[dict[str, Any]]:
        """One region for all clicks and boxes of the newest one's label.

        It keeps its id from click to click: the next answer stands in for the one before.
        """
        index = index_of_label(prompts[-1], place.labels)
        if index is None:
            return []
        vocabulary = vocabulary_of(place.labels, question.project)
        memory = question.learnt.memories.get(place.control.from_name)
        with self.metrics.stage("click"):
            mask, score = self.segmenter.answer_prompts(
                page.features, page.image, [prompt.shape for prompt in prompts],
                vocabulary, index, question.settings.resolve(), memory,
            )  # fmt: skip
        label = place.labels[index]
        with self.metrics.stage("regions"):
            return encode_regions(
                place.control, label, mask, score,
                region_id=place.region_id(label.name, prompts[0].id), item_index=place.item_index,
            )  # fmt: skip

    @contextmanager
    def turn(self, question: Question) -> Iterator[None]:
        left_s = max(question.deadline - time.monotonic(), 0.0)
        if not self.segment_turn.acquire(timeout=left_s):
            raise Overloaded(f"The model did not reach this image within {self.budget_s:g} s.")
        try:
            yield
        finally:
            self.segment_turn.release()

    def warm(self, label_config: str, project: ProjectSettings) -> None:
        """Have the words of a labeling config embedded before its first task comes."""
        settings = project.segment_settings(self.default)
        for control in read_controls(label_config):
            if control.labels:
                self.segmenter([NOTHING], vocabulary_of(control.labels, project), settings)

    def describe(self) -> dict[str, str]:
        """What predicts, for /ready and people."""
        encoder = self.segmenter.encode_image
        return {
            "model": f"{self.segmenter.model_name}-{self.segmenter.fingerprint[:8]}",
            "model_version": self.version(ProjectSettings()),
            "device": str(encoder.device),
            "precision": str(encoder.autocast_dtype or torch.float32).removeprefix("torch."),
        }

    def failure(self, task: Any, error: Exception) -> dict[str, str]:
        """Count why a task failed; the words that the client may see."""
        if isinstance(error, FirstpassError):
            code, message = error.code, str(error)
        elif isinstance(error, ModelError):
            code, message = "model", str(error)
        else:
            code, message = "internal", "An unexpected error: the server's log has the details."
            log.error("task %s: unexpected error", id_of(task), exc_info=error)
        self.metrics.tasks.labels("failed").inc()
        self.metrics.failures.labels(code).inc()
        return {"code": code, "message": message}

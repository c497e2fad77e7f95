"""Tasks in, predictions out: the one place where Label Studio's words meet the model's.

Nothing is kept between two calls, so any thread or worker may answer any request.
"""

import hashlib
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

from backend.batcher import Batcher
from backend.errors import FirstpassError, Overloaded, RequestError
from backend.images import ImageLoader
from backend.labels import Control, LabelSpec, image_uris, labels_for, read_controls
from backend.metrics import Metrics
from backend.project_settings import ProjectSettings
from backend.prompts import Prompt, asked_of, keep_prompted, means, read_prompts
from backend.regions import encode_regions
from backend.vocabulary import vocabulary_of
from model import DenseFeatures, ModelError, Segmenter, SegmentSettings

NOTHING = np.zeros((64, 64, 3), dtype=np.uint8)  # an image to warm up with

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """What one /predict asks, beside its tasks."""

    controls: tuple[Control, ...]
    project: ProjectSettings
    settings: SegmentSettings
    prompts: tuple[Prompt, ...]  # clicks and boxes of a smart tool; empty: paint every label
    auth: tuple[str, str] | None  # user and password of the project's image host
    deadline: float  # time.monotonic() seconds


@dataclass
class Page:
    """One image of a task; its dense features are shared by the controls that paint on it."""

    image: np.ndarray  # RGB uint8 (H, W, 3)
    features: DenseFeatures


@dataclass(frozen=True)
class Annotator:
    segmenter: Segmenter
    load_image: ImageLoader
    batcher: Batcher
    default: SegmentSettings = field(default_factory=SegmentSettings)
    metrics: Metrics = field(default_factory=Metrics)
    budget_s: float = 90.0
    tasks_at_once: int = 2  # of one request; one loads its image while another is in the model
    # Refining takes memory by the classes and pixels, and all cores: one image after the other.
    segment_turn: Semaphore = field(default_factory=lambda: BoundedSemaphore(1))

    def version(self, project: ProjectSettings) -> str:
        """model_version: checkpoint, method and settings; never empty."""
        version = self.segmenter.version(project.segment_settings(self.default))
        words = project.words_json()
        return f"{version}+{digest(words)[:4]}" if words else version

    def predict(
        self,
        tasks: Sequence[Any],
        label_config: str,
        project: ProjectSettings,
        *,
        context: Mapping[str, Any] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """One prediction a task, in order; a task that fails gets one without "result".

        Label Studio skips such an item and asks again another time, while it would store an empty
        "result" as "predicted, nothing found".
        """
        version = self.version(project)
        if context is not None and not context.get("result"):
            # Sent when prompts are taken back; nothing is asked for.
            return [{"result": [], "score": 0.0, "model_version": version} for _ in tasks]
        deadline = time.monotonic() + self.budget_s
        settings = project.segment_settings(self.default)

        def answer(task: Any) -> dict[str, Any]:
            try:
                question = Question(
                    read_controls(label_config),
                    project, settings, read_prompts(context), auth, deadline,
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
            uris = image_uris(control, task["data"])
            for index, uri in enumerate(uris):
                if uri not in pages:
                    pages[uri] = self.open_page(uri, task.get("id"), question)
                regions += self.paint_control(
                    pages[uri], control, labels, question,
                    seed=f"{task.get('id')}|{control.from_name}|{index}",
                    item_index=index if control.is_value_list else None,
                )  # fmt: skip
        return regions

    def open_page(self, uri: str, task_id: int | None, question: Question) -> Page:
        with self.metrics.stage("load"):
            image = self.load_image(uri, task_id=task_id, auth=question.auth)
        with self.metrics.stage("encode"):
            left_s = max(question.deadline - time.monotonic(), 0.0)
            return Page(image, self.batcher(image, question.settings, timeout_s=left_s))

    def paint_control(
        self,
        page: Page,
        control: Control,
        labels: Sequence[LabelSpec],
        question: Question,
        *,
        seed: str,
        item_index: int | None,
    ) -> list[dict[str, Any]]:
        prompts = asked_of(control, question.prompts)
        if question.prompts and not prompts:
            return []
        vocabulary = vocabulary_of(labels, question.project)
        with self.turn(question), self.metrics.stage("segment"):
            found = self.segmenter.segment(page.features, page.image, vocabulary, question.settings)
        with self.metrics.stage("regions"):
            regions: list[dict[str, Any]] = []
            for index, _, mask, score in found.non_empty():
                label = labels[index]
                if prompts:
                    if not means(prompts[0], label):
                        continue
                    mask = keep_prompted(mask, prompts)
                if np.count_nonzero(mask) < max(question.project.min_region_px, 1):
                    continue
                name = "|".join([seed, label.name, *(prompt.id for prompt in prompts)])
                regions += encode_regions(
                    control, label, mask, float(score),
                    region_id=digest(name.encode())[:10], item_index=item_index,
                )  # fmt: skip
        return regions

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


def log_failures(tasks: Sequence[Any], answers: Sequence[Mapping[str, Any]]) -> None:
    """One line for each kind of failure, not one for each of 300 tasks of a host that is down."""
    kinds: dict[str, list[int]] = {}
    for index, item in enumerate(answers):
        if "error" in item:
            kinds.setdefault(item["error"]["code"], []).append(index)
    for code, indices in kinds.items():
        first = indices[0]
        others = f" (and {len(indices) - 1} more: {code})" if len(indices) > 1 else ""
        log.warning(
            "task %s: %s%s", id_of(tasks[first]), answers[first]["error"]["message"], others
        )


def id_of(task: Any) -> Any:
    return task.get("id") if isinstance(task, Mapping) else None


def task_score(regions: Sequence[Mapping[str, Any]]) -> float:
    """Mean of the regions' scores, 0 where there is none."""
    scores = {region["id"]: region["score"] for region in regions if "score" in region}
    return round(sum(scores.values()) / len(scores), 4) if scores else 0.0


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

"""Makes the regions of one task: for every image of every control, or for clicks on one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Semaphore
from typing import Any

import numpy as np

from backend.errors import RequestError
from backend.label_studio.controls import image_uris, labels_for
from backend.label_studio.smart_prompts import Prompt, index_of_label, prompts_of_control
from backend.masks.regions import encode_regions
from backend.memory.predicted_masks import PredictedMasks
from backend.metrics import Metrics
from backend.prediction.feature_cache import Page
from backend.prediction.label_vocabulary import vocabulary_of
from backend.prediction.page_loader import PageLoader
from backend.prediction.predict_request import MaskTarget, PredictRequest
from model import Segmenter, Vocabulary

Region = dict[str, Any]


@dataclass(frozen=True)
class TaskPainter:
    segmenter: Segmenter
    pages: PageLoader
    metrics: Metrics
    segment_slots: Semaphore
    predicted_masks: PredictedMasks | None  # None: predictions are not stored for learning

    def paint(self, task: Any, request: PredictRequest) -> list[Region]:
        """The regions of one task. Raises FirstpassError or ModelError."""
        request.check_time()
        if not isinstance(task, Mapping) or not isinstance(task.get("data"), Mapping):
            raise RequestError('A task must be an object with an object "data".')
        opened: dict[tuple[str, Vocabulary | None], Page] = {}
        regions: list[Region] = []
        for control in request.controls:
            labels = labels_for(control, task["data"])
            vocabulary = vocabulary_of(labels, request.project.settings)
            for index, uri in enumerate(image_uris(control, task["data"])):
                prompts = prompts_of_control(control, index, request.prompts)
                if request.prompts and not prompts:
                    continue
                key = uri, vocabulary if request.project.method.encoder.reads_text else None
                if key not in opened:
                    opened[key] = self.open_page(uri, vocabulary, task.get("id"), request)
                target = MaskTarget(task.get("id"), control, labels, index)
                paint = self.answer_prompts if prompts else self.paint_labels
                regions += paint(opened[key], target, vocabulary, prompts, request)
        return regions

    def open_page(
        self, uri: str, vocabulary: Vocabulary, task_id: Any, request: PredictRequest
    ) -> Page:
        """The page with its image freshly loaded; for a click, from the cache if it is there."""
        source = {"task_id": task_id, "auth": request.auth}
        if request.prompts and (
            page := self.pages.recent(uri, request.project, vocabulary, **source)
        ):
            return page
        return self.pages.load(uri, request.project, vocabulary, **source, timeout_s=request.left_s)

    def paint_labels(
        self,
        page: Page,
        target: MaskTarget,
        vocabulary: Vocabulary,
        _prompts: Sequence[Prompt],
        request: PredictRequest,
    ) -> list[Region]:
        """Regions for each label found in the image."""
        project, memory = request.project, request.memories.get(target.control.from_name)
        with self.segment_slot(request), self.metrics.stage("segment"):
            found = self.segmenter.segment(
                page.features, page.image, vocabulary, project.method, memory
            )
        with self.metrics.stage("regions"):
            regions: list[Region] = []
            for index, _, mask, score in found.non_empty():
                if np.count_nonzero(mask) < max(project.settings.min_region_px, 1):
                    continue
                label = target.labels[index]
                regions += encode_regions(
                    target.control, label, mask, float(score),
                    region_id=target.region_id(label.name), item_index=target.item_index,
                )  # fmt: skip
        if self.predicted_masks is not None:
            self.predicted_masks.save(
                project.id, target.task_id, target.control.from_name, target.page, found
            )
        return regions

    def answer_prompts(
        self,
        page: Page,
        target: MaskTarget,
        vocabulary: Vocabulary,
        prompts: Sequence[Prompt],
        request: PredictRequest,
    ) -> list[Region]:
        """One region for all clicks and boxes; all have the label of the newest one.

        It keeps its id from click to click, so that Label Studio replaces the previous region.
        """
        index = index_of_label(prompts[-1], target.labels)
        if index is None:
            return []
        memory = request.memories.get(target.control.from_name)
        with self.metrics.stage("click"):
            mask, score = self.segmenter.answer_prompts(
                page.features, page.image, [prompt.shape for prompt in prompts],
                vocabulary, index, request.project.method, memory,
            )  # fmt: skip
        label = target.labels[index]
        with self.metrics.stage("regions"):
            return encode_regions(
                target.control, label, mask, score,
                region_id=target.region_id(label.name, prompts[0].id), item_index=target.item_index,
            )  # fmt: skip

    @contextmanager
    def segment_slot(self, request: PredictRequest) -> Iterator[None]:
        """Wait for a free slot. Raises OutOfTime at the request's deadline.

        Refinement uses all cores, and memory for each class and pixel, so its parallelism is
        limited.
        """
        if not self.segment_slots.acquire(timeout=request.left_s):
            raise request.out_of_time()
        try:
            yield
        finally:
            self.segment_slots.release()

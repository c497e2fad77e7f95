"""One task to its regions: every image of every control, painted or answering clicks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Semaphore
from typing import Any

import numpy as np

from backend.errors import Overloaded, RequestError
from backend.label_studio.controls import image_uris, labels_for
from backend.label_studio.smart_prompts import Prompt, index_of_label, prompts_of_control
from backend.masks.regions import encode_regions
from backend.memory.predicted_masks import PredictedMasks
from backend.metrics import Metrics
from backend.prediction.feature_cache import Page
from backend.prediction.label_vocabulary import vocabulary_of
from backend.prediction.page_loader import PageLoader
from backend.prediction.predict_request import Place, PredictRequest
from model import Segmenter, Vocabulary

Region = dict[str, Any]


@dataclass(frozen=True)
class TaskPainter:
    segmenter: Segmenter
    pages: PageLoader
    metrics: Metrics
    segment_turn: Semaphore
    predicted_masks: PredictedMasks | None  # None: what is shown is not remembered

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
                key = uri, vocabulary if request.project.method.encodes_words else None
                if key not in opened:
                    opened[key] = self.open_page(uri, vocabulary, task.get("id"), request)
                place = Place(task.get("id"), control, labels, index)
                paint = self.answer_prompts if prompts else self.paint_labels
                regions += paint(opened[key], place, vocabulary, prompts, request)
        return regions

    def open_page(
        self, uri: str, vocabulary: Vocabulary, task_id: Any, request: PredictRequest
    ) -> Page:
        """The image as it is now; for a click the one at hand, if it was loaded lately."""
        source = {"task_id": task_id, "auth": request.auth}
        if request.prompts and (
            page := self.pages.recent(uri, request.project, vocabulary, **source)
        ):
            return page
        return self.pages.load(uri, request.project, vocabulary, **source, timeout_s=request.left_s)

    def paint_labels(
        self,
        page: Page,
        place: Place,
        vocabulary: Vocabulary,
        _prompts: Sequence[Prompt],
        request: PredictRequest,
    ) -> list[Region]:
        """A region for each label that is in the image."""
        project, memory = request.project, request.memories.get(place.control.from_name)
        with self.turn(request), self.metrics.stage("segment"):
            found = self.segmenter.segment(
                page.features, page.image, vocabulary, project.method, memory
            )
        with self.metrics.stage("regions"):
            regions: list[Region] = []
            for index, _, mask, score in found.non_empty():
                if np.count_nonzero(mask) < max(project.settings.min_region_px, 1):
                    continue
                label = place.labels[index]
                regions += encode_regions(
                    place.control, label, mask, float(score),
                    region_id=place.region_id(label.name), item_index=place.item_index,
                )  # fmt: skip
        if self.predicted_masks is not None:
            self.predicted_masks.save(
                project.id, place.task_id, place.control.from_name, place.page, found
            )
        return regions

    def answer_prompts(
        self,
        page: Page,
        place: Place,
        vocabulary: Vocabulary,
        prompts: Sequence[Prompt],
        request: PredictRequest,
    ) -> list[Region]:
        """One region for all clicks and boxes of the newest one's label.

        It keeps its id from click to click: the next answer stands in for the one before.
        """
        index = index_of_label(prompts[-1], place.labels)
        if index is None:
            return []
        memory = request.memories.get(place.control.from_name)
        with self.metrics.stage("click"):
            mask, score = self.segmenter.answer_prompts(
                page.features, page.image, [prompt.shape for prompt in prompts],
                vocabulary, index, request.project.method, memory,
            )  # fmt: skip
        label = place.labels[index]
        with self.metrics.stage("regions"):
            return encode_regions(
                place.control, label, mask, score,
                region_id=place.region_id(label.name, prompts[0].id), item_index=place.item_index,
            )  # fmt: skip

    @contextmanager
    def turn(self, request: PredictRequest) -> Iterator[None]:
        """Refining takes memory by the classes and pixels, and all cores: one after the other."""
        if not self.segment_turn.acquire(timeout=request.left_s):
            raise Overloaded(f"The model did not reach this image within {request.budget_s:g} s.")
        try:
            yield
        finally:
            self.segment_turn.release()

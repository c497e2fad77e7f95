"""Makes the regions of one task: for every image of every control, or for clicks on one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Semaphore
from typing import Any

import numpy as np

from backend.errors import OutOfTime, RequestError
from backend.label_studio.smart_prompts import Prompt, index_of_label, prompts_of_control
from backend.masks.regions import encode_regions
from backend.memory.predicted_masks import PredictedMasks
from backend.metrics import Metrics
from backend.prediction.feature_cache import Page
from backend.prediction.label_vocabulary import vocabulary_of
from backend.prediction.page_loader import PageLoader
from backend.prediction.predict_request import PredictRequest
from backend.prediction.prediction_items import PaintedTask
from backend.prediction.shown_labels import shown_labels
from backend.prediction.task_targets import MaskTarget, PartFailure, read_targets
from backend.prediction.word_embedder import WordEmbedder, WordsNotEmbedded
from model import Segmenter, Vocabulary

Region = dict[str, Any]


@dataclass(frozen=True)
class TaskPainter:
    segmenter: Segmenter
    words: WordEmbedder
    pages: PageLoader
    metrics: Metrics
    segment_slots: Semaphore
    predicted_masks: PredictedMasks | None  # None: predictions are not stored for learning

    def paint(self, task: Any, request: PredictRequest) -> PaintedTask:
        """The regions of one task, and which controls and pages failed; one costs no other.

        Raises the first error if all of them failed.
        """
        request.check_time()
        if not isinstance(task, Mapping) or not isinstance(task.get("data"), Mapping):
            raise RequestError('A task must be an object with an object "data".')
        targets, failures = read_targets(request.controls, task.get("id"), task["data"])
        painted = PaintedTask(failures=failures)
        opened = OpenedPages(self.pages, request, task.get("id"))
        n_answered = 0
        for target in targets:
            prompts = prompts_of_control(target.control, target.image.page, request.prompts or ())
            if request.prompts is not None and not prompts:
                continue
            vocabulary = vocabulary_of(target.labels, request.project.settings)
            paint = self.answer_prompts if prompts else self.paint_labels
            try:
                self.words.wait(vocabulary, request.prompt_config, request.left_s)
                page = opened(target.image.uri, vocabulary)
                painted.regions.extend(paint(page, target, vocabulary, prompts, request))
                n_answered += 1
            except WordsNotEmbedded as error:
                painted.failures.append(PartFailure(target.describe(), error))
            except OutOfTime:  # whatever it waited for
                painted.failures.append(PartFailure(target.describe(), request.out_of_time()))
            except Exception as error:
                painted.failures.append(PartFailure(target.describe(), error))
        if painted.failures and not n_answered:
            raise painted.failures[0].error
        return painted

    def paint_labels(
        self,
        page: Page,
        target: MaskTarget,
        vocabulary: Vocabulary,
        _prompts: Sequence[Prompt],
        request: PredictRequest,
    ) -> list[Region]:
        """Regions for each label found in the image."""
        project, memory = request.project, request.memories.get(target.control.lesson_name)
        with self.segment_slot(request), self.metrics.stage("segment"):
            found = self.segmenter.segment(
                page.features, page.image, vocabulary, project.method, memory
            )
        with self.metrics.stage("regions"):
            regions: list[Region] = []
            shown: list[int] = []
            label_of_region: dict[str, str] = {}
            for index, mask, score in shown_labels(found, target.control, project.settings):
                shown.append(index)
                label = target.labels[index]
                parts = encode_regions(
                    target.control, label, mask, score,
                    region_id=target.region_id(label.name), item_index=target.item_index,
                )  # fmt: skip
                label_of_region |= {str(part["id"]): label.value for part in parts}
                regions += parts
        if self.predicted_masks is not None:
            # A label that was left out has not been deleted by the person who does not see it.
            label_map = np.where(np.isin(found.label_map, shown), found.label_map, -1)
            seen = replace(found, label_map=label_map)
            self.predicted_masks.save(
                project.id, target.task_id, target.place, seen, label_of_region, request.shown_by
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
        memory = request.memories.get(target.control.lesson_name)
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


@dataclass(frozen=True)
class OpenedPages:
    """Opens each page of a task once, whatever the number of controls on it."""

    pages: PageLoader
    request: PredictRequest
    task_id: Any
    _opened: dict[tuple[str, Vocabulary | None], Page | Exception] = field(default_factory=dict)

    def __call__(self, uri: str, vocabulary: Vocabulary) -> Page:
        """The page with its image freshly loaded; for a click, from the cache if it is there.

        Raises what opening it raised the first time.
        """
        reads_text = self.request.project.method.encoder.reads_text
        key = uri, vocabulary if reads_text else None
        if key not in self._opened:
            try:
                self._opened[key] = self._open(uri, vocabulary)
            except Exception as error:
                self._opened[key] = error
        page = self._opened[key]
        if isinstance(page, Exception):
            raise page
        return page

    def _open(self, uri: str, vocabulary: Vocabulary) -> Page:
        request, source = self.request, {"task_id": self.task_id, "auth": self.request.auth}
        if request.prompts and (
            page := self.pages.recent(uri, request.project, vocabulary, **source)
        ):
            return page
        request.check_time()
        return self.pages.load(uri, request.project, vocabulary, **source, timeout_s=request.left_s)

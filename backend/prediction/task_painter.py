"""Makes the regions of one task: for every image of every control, or for clicks on one."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from textwrap import shorten
from typing import Any

import numpy as np

from backend.concurrency import Turns
from backend.errors import ImageNotFound, OutOfTime, RequestError
from backend.label_studio.smart_prompts import index_of_label
from backend.masks.regions import encode_regions
from backend.memory.predicted_masks import PredictedMasks
from backend.metrics import Metrics
from backend.prediction.batcher import FIRST, IN_TURN, LATER
from backend.prediction.feature_cache import Page
from backend.prediction.label_vocabulary import vocabulary_of
from backend.prediction.page_loader import PageLoader
from backend.prediction.paint_jobs import Job, jobs_of
from backend.prediction.predict_request import PredictRequest
from backend.prediction.prediction_items import PaintedTask
from backend.prediction.shown_regions import left_out_labels, shown_regions
from backend.prediction.task_targets import MaskTarget, PartFailure, read_targets
from backend.prediction.word_embedder import WordEmbedder, WordsNotEmbedded
from model import Segmentation, Segmenter, Vocabulary

Region = dict[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskPainter:
    segmenter: Segmenter
    words: WordEmbedder
    pages: PageLoader
    metrics: Metrics
    segment_slots: Turns
    predicted_masks: PredictedMasks | None  # None: predictions are not stored for learning

    def paint(self, task: Any, request: PredictRequest) -> PaintedTask:
        """The regions of one task, and which controls and pages failed; one costs no other.

        Raises the first error if all of them failed.
        """
        request.check_time()
        if not isinstance(task, Mapping) or not isinstance(task.get("data"), Mapping):
            raise RequestError('A task must be an object with an object "data".')
        targets, failures = read_targets(
            request.controls, task.get("id"), task["data"], check_time=request.check_time
        )
        jobs = jobs_of(targets, request)
        painted, n_answered = PaintedTask(failures=failures), 0
        for job, answer in zip(jobs, self.answers(jobs, request), strict=True):
            if isinstance(answer, Exception):
                painted.failures.append(PartFailure(job.target.describe(), answer))
            else:
                painted.regions.extend(answer)
                n_answered += 1
        if painted.failures and not n_answered:
            raise painted.failures[0].error
        return painted

    def answers(
        self, jobs: Sequence[Job], request: PredictRequest
    ) -> list[list[Region] | Exception]:
        """The regions of each job, or why it failed.

        Page by page, so that each is loaded once, and none but one is in memory.
        """
        by_page: dict[Any, list[int]] = {}
        for number, job in enumerate(jobs):
            by_page.setdefault(job.page_key(request), []).append(number)
        answers: dict[int, list[Region] | Exception] = {}
        for numbers in by_page.values():
            same_page = [jobs[number] for number in numbers]
            answers |= zip(numbers, self.answer_page(same_page, request), strict=True)
        return [answers[number] for number in range(len(jobs))]

    def answer_page(
        self, jobs: Sequence[Job], request: PredictRequest
    ) -> Iterator[list[Region] | Exception]:
        """The regions of jobs on one page, which is loaded with the first of them."""
        page: Page | Exception | None = None
        for job in jobs:
            try:
                request.check_time()
                vocabulary = vocabulary_of(job.target.labels, request.project.settings)
                self.words.wait(vocabulary, request.prompt_config, request.left_s)
                page = page or self.try_open(job.target, vocabulary, request)
                if isinstance(page, Exception):
                    raise page
                paint = self.answer_prompts if job.prompts else self.paint_labels
                yield paint(page, job, vocabulary, request)
            except Exception as error:
                # Whatever it waited for, and if it is a download that was cut off.
                is_cut_off = isinstance(error, ImageNotFound) and not request.left_s
                is_late = isinstance(error, OutOfTime) or is_cut_off
                says_why = isinstance(error, WordsNotEmbedded)
                yield request.out_of_time() if is_late and not says_why else error

    def try_open(
        self, target: MaskTarget, vocabulary: Vocabulary, request: PredictRequest
    ) -> Page | Exception:
        """The page, or why it cannot be opened, for this control nor for others."""
        try:
            return self.open_page(target, vocabulary, request)
        except Exception as error:
            return error

    def open_page(
        self, target: MaskTarget, vocabulary: Vocabulary, request: PredictRequest
    ) -> Page:
        """The page with its image freshly loaded; for a click, from the cache if it is there."""
        uri, project = target.image.uri, request.project
        source = {"task_id": target.task_id, "auth": request.auth}
        if request.prompts and (page := self.pages.recent(uri, project, vocabulary, **source)):
            return page
        return self.pages.load(
            uri, project, vocabulary, **source,
            timeout_s=request.left_s, rank=rank_of(request),
        )  # fmt: skip

    def paint_labels(
        self,
        page: Page,
        job: Job,
        vocabulary: Vocabulary,
        request: PredictRequest,
    ) -> list[Region]:
        """Regions for each label found in the image."""
        target = job.target
        project, memory = request.project, request.memories.get(target.control.lesson_name)
        with self.segment_slot(request), self.metrics.stage("segment"):
            found = self.segmenter.segment(
                page.features, page.image, vocabulary, project.method, memory
            )
        regions: list[Region] = []
        label_of_region: dict[str, str] = {}
        # What is left out has not been deleted by the person who does not see it.
        shown_map, shown = np.full_like(found.label_map, -1), set[int]()
        with self.metrics.stage("regions"):
            for one in shown_regions(found, target.control, target.labels, project.settings):
                request.check_time()
                label = target.labels[one.label_index]
                items = encode_regions(
                    target.control, label, one.mask, one.score,
                    region_id=target.region_id(label.name, *filter(None, [one.part])),
                    item_index=target.item_index,
                )  # fmt: skip
                label_of_region |= {str(item["id"]): label.value for item in items}
                regions += items
                shown_map[one.mask] = one.label_index
                shown.add(one.label_index)
        self.count_labels(found, shown, target, request)
        if self.predicted_masks is not None and not target.control.draws_boxes:
            seen = replace(found, label_map=shown_map)
            self.predicted_masks.save(
                project.id, target.task_id, target.place, seen, label_of_region, request.shown_by
            )
        return regions

    def count_labels(
        self,
        found: Segmentation,
        shown: Collection[int],
        target: MaskTarget,
        request: PredictRequest,
    ) -> None:
        """Count the labels that are shown and left out; the log says which are left out."""
        left_out = left_out_labels(found, shown)
        n_found = int(np.count_nonzero(found.scores))
        self.metrics.labels.labels("shown").inc(n_found - len(left_out))
        self.metrics.labels.labels("left_out").inc(len(left_out))
        if left_out:
            names = shorten(", ".join(left_out), 200, placeholder=" …")
            where = f"project {request.project.id}, task {target.task_id}"
            log.info("%s: left out, by min_score or min_region_px: %s", where, names)

    def answer_prompts(
        self,
        page: Page,
        job: Job,
        vocabulary: Vocabulary,
        request: PredictRequest,
    ) -> list[Region]:
        """One region for all clicks and boxes; all have the label of the newest one.

        It keeps its id from click to click, so that Label Studio replaces the previous region.
        """
        target, prompts = job.target, job.prompts
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

        Each takes memory for its image's pixels, and refinement all cores, so few run at once.
        """
        who, is_later = request.project.id, request.is_background
        if not self.segment_slots.acquire(timeout=request.left_s, who=who, is_later=is_later):
            raise request.out_of_time()
        try:
            request.check_time()  # since a free slot is had without any time left
            yield
        finally:
            self.segment_slots.release()


def rank_of(request: PredictRequest) -> int:
    """The place of its images in the line for the model."""
    if request.prompts:
        return FIRST
    return LATER if request.is_background else IN_TURN

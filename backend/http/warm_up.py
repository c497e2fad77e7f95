"""Runs slow first calls in advance: one prediction, and the text embeds of a project's labels."""

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import numpy as np
from cachetools import LRUCache

from backend.errors import FirstpassError
from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.label_vocabulary import vocabulary_of
from backend.prediction.project_context import ContextResolver
from model import ModelError, PointPrompt, Segmenter, SegmentSettings, Vocabulary

BLANK_IMAGE = np.zeros((64, 64, 3), dtype=np.uint8)
MAX_REMEMBERED_CONFIGS = 1000  # labeling configs whose words were embedded before

log = logging.getLogger(__name__)


def warm_up(segmenter: Segmenter, choices: SegmentSettings) -> None:
    """Run a prediction and a click once, which also embeds the words that all projects share."""
    method, words = choices.resolve(), Vocabulary.of(["object"])
    (features,) = segmenter.encode([BLANK_IMAGE], method, words)
    segmenter.segment(features, BLANK_IMAGE, words, method)
    segmenter.answer_prompts(features, BLANK_IMAGE, [PointPrompt(0.5, 0.5)], words, 0, method)


class VocabularyWarmer:
    """Embeds a project's labels in the background, so that its first task is not slow."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="warm")
        self._warmed: LRUCache[tuple[str, bytes], bool] = LRUCache(MAX_REMEMBERED_CONFIGS)
        self._lock = Lock()

    def warm_later(
        self, resolve: ContextResolver, label_config: str, settings: ProjectSettings
    ) -> None:
        """Start embedding the labels, once for each labeling config and settings."""
        key = (label_config, settings.to_json())
        with self._lock:
            if key in self._warmed or not label_config:
                return
            self._warmed[key] = True
        self._thread.submit(self._warm, resolve, label_config, settings)

    @staticmethod
    def _warm(resolve: ContextResolver, label_config: str, settings: ProjectSettings) -> None:
        try:
            embed_words(resolve, label_config, settings)
        except (FirstpassError, ModelError) as error:
            log.warning("%s", error)  # each task will report the same
        except Exception:
            log.exception("embedding the words of a project failed")


def embed_words(resolve: ContextResolver, label_config: str, settings: ProjectSettings) -> None:
    """Segment a blank image with the labels of each control, which caches their text embeds."""
    for control in read_controls(label_config):
        if control.labels:
            vocabulary = vocabulary_of(control.labels, settings)
            resolve.segmenter([BLANK_IMAGE], vocabulary, settings.segment_settings(resolve.default))

"""First times are slow: words embedded before they are asked for, one prediction in advance."""

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
REMEMBERED_CONFIGS = 1000  # labeling configs whose words are known to be embedded

log = logging.getLogger(__name__)


def warm_up(segmenter: Segmenter, choices: SegmentSettings) -> None:
    """Go once through a prediction and a click; embed the words that all projects share."""
    method, words = choices.resolve(), Vocabulary.of(["object"])
    (features,) = segmenter.encode([BLANK_IMAGE], method, words)
    segmenter.segment(features, BLANK_IMAGE, words, method)
    segmenter.answer_prompts(features, BLANK_IMAGE, [PointPrompt(0.5, 0.5)], words, 0, method)


class VocabularyWarmer:
    """Embeds the words of a project in the background, so that its first task is not slow."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="warm")
        self._known: LRUCache[tuple[str, bytes], bool] = LRUCache(REMEMBERED_CONFIGS)
        self._lock = Lock()

    def warm_later(
        self, resolve: ContextResolver, label_config: str, settings: ProjectSettings
    ) -> None:
        """Once for each labeling config and settings."""
        key = (label_config, settings.to_json())
        with self._lock:
            if key in self._known or not label_config:
                return
            self._known[key] = True
        self._thread.submit(self._warm, resolve, label_config, settings)

    @staticmethod
    def _warm(resolve: ContextResolver, label_config: str, settings: ProjectSettings) -> None:
        try:
            embed_words(resolve, label_config, settings)
        except (FirstpassError, ModelError) as error:
            log.warning("%s", error)  # each task will say the same
        except Exception:
            log.exception("embedding the words of a project failed")


def embed_words(resolve: ContextResolver, label_config: str, settings: ProjectSettings) -> None:
    """Ask for the embeds of all words that the controls of a labeling config have."""
    for control in read_controls(label_config):
        if control.labels:
            vocabulary = vocabulary_of(control.labels, settings)
            resolve.segmenter([BLANK_IMAGE], vocabulary, settings.segment_settings(resolve.default))

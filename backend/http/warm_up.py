"""Begins slow first calls in advance: a prediction, and the text embeds of a project's labels."""

import logging

import numpy as np

from backend.errors import FirstpassError
from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.label_vocabulary import vocabulary_of
from backend.service import Service
from model import ModelError, PointPrompt, Segmenter, SegmentSettings, Vocabulary

BLANK_IMAGE = np.zeros((64, 64, 3), dtype=np.uint8)

log = logging.getLogger(__name__)


def warm_up(segmenter: Segmenter, choices: SegmentSettings) -> None:
    """Run a prediction and a click once, which also embeds the words that all projects share."""
    method, words = choices.resolve(), Vocabulary.of(["object"])
    (features,) = segmenter.encode([BLANK_IMAGE], method, words)
    segmenter.segment(features, BLANK_IMAGE, words, method)
    segmenter.answer_prompts(features, BLANK_IMAGE, [PointPrompt(0.5, 0.5)], words, 0, method)


def start_words(service: Service, label_config: str, settings: ProjectSettings) -> None:
    """Start embedding a project's labels, so that its first task is not slow."""
    prompts = settings.segment_settings(service.default_segment_settings).resolve().decision.prompts
    try:
        for control in read_controls(label_config) if label_config else ():
            if control.labels:
                service.words.start(vocabulary_of(control.labels, settings), prompts)
    except (FirstpassError, ModelError) as error:
        log.warning("%s", error)  # each task will report the same

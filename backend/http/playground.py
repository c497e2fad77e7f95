"""The playground: a photo and labels in, masks out, by the path of predictions, with its steps.

Nothing of it is stored: no photo, no mask, no lesson. The words that were asked are cached, as
those of every project are.
"""

import io
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.errors import LabelConfigError, OutOfTime, RequestError
from backend.http.label_maps import as_runs, preview_wh
from backend.http.photo_shelf import Photo, PhotoShelf
from backend.http.request_models import ClickBody, SegmentBody
from backend.images.decode import decode_image
from backend.images.download import too_large
from backend.label_studio.config_writer import split_labels, write_config
from backend.label_studio.controls import Control, LabelSpec, read_controls
from backend.label_studio.label_colors import hex_color_of
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.smart_prompts import index_of_label, read_prompts
from backend.prediction.label_vocabulary import vocabulary_of
from backend.prediction.page_loader import encoding_key
from backend.prediction.project_context import ProjectContext
from backend.prediction.shown_regions import shown_regions
from backend.service import Service
from model import AskedWords, DenseFeatures, Segmentation, Vocabulary, asked_words

MAX_LABELS = 100


@dataclass(frozen=True)
class Asked:
    """A request of the page, resolved."""

    photo: Photo
    label_config: str
    control: Control
    vocabulary: Vocabulary
    project: ProjectContext
    deadline_s: float  # on time.monotonic()


@dataclass(frozen=True)
class Stopwatch:
    """Seconds of each step, in their order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started_s = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started_s, 4)


@dataclass(frozen=True)
class Playground:
    service: Service
    photos: PhotoShelf = field(default_factory=PhotoShelf)

    def add_photo(self, data: bytes) -> dict[str, Any]:
        """Its name, size in pixels and seconds of decoding. Raises ImageError or Overloaded."""
        loader, watch = self.service.pages.load_image, Stopwatch()
        with watch.step("decode"):
            if len(data) > loader.config.max_bytes:
                raise too_large("The photo", loader.config.max_bytes)
            image = decode_image(data, loader.decode_limits())
        height, width = image.shape[:2]
        name = self.photos.add(image)
        return {"photo": name, "width": width, "height": height, "seconds": watch.seconds}

    def preview(self, name: str) -> bytes:
        """A JPEG of the photo as it was decoded, as large as the label maps."""
        image = self.photos[name].image
        small = cv2.resize(
            image, preview_wh((image.shape[0], image.shape[1])), interpolation=cv2.INTER_AREA
        )
        data = io.BytesIO()
        Image.fromarray(small).save(data, "JPEG", quality=88)
        return data.getvalue()

    def segment(self, body: SegmentBody) -> dict[str, Any]:
        """Masks of all labels: a label map, and what was asked, found and measured."""
        asked, watch = self._read(body), Stopwatch()
        segmenter, method = self.service.segmenter, asked.project.method
        with watch.step("words"):
            self._wait_for_words(asked)
            words = asked_words(asked.vocabulary, segmenter.encode_text, method.decision.prompts)
        with watch.step("features"):
            features = self._features(asked)
        with self._segment_slot(asked), watch.step("decision"):
            found = segmenter.segment(features, asked.photo.image, asked.vocabulary, method)
        label_map, shown = shown_map(found, asked)
        return {
            "map": as_runs(label_map),
            "labels": label_rows(asked.control.labels, words, shown, found.scores),
            "background": words.background,
            "negatives": words.negatives,
            "method": method.name,
            "refiner": method.decision.refiner,
            "seconds": watch.seconds,
            "label_config": asked.label_config,
        }

    def click(self, body: ClickBody, context: Mapping[str, Any]) -> dict[str, Any]:
        """The mask for the clicks and boxes of a context, as Label Studio sends it."""
        asked, watch = self._read(body), Stopwatch()
        prompts = read_prompts(context)
        if not prompts:
            raise RequestError('A click needs "context", with at least one key point or rectangle.')
        index = index_of_label(prompts[-1], asked.control.labels)
        if index is None:
            raise RequestError(f"There is no label {prompts[-1].label!r:.100} to click for.")
        own = [one.shape for one in prompts if one.label == prompts[-1].label]
        self._wait_for_words(asked)
        with watch.step("features"):
            features = self._features(asked)
        with watch.step("click"):
            mask, score = self.service.segmenter.answer_prompts(
                features, asked.photo.image, own, asked.vocabulary, index, asked.project.method
            )
        return {
            "map": as_runs(np.where(mask, np.int16(index), np.int16(-1))),
            "label": index,
            "score": score,
            "share": float(mask.mean()),
            "seconds": watch.seconds,
        }

    def _read(self, body: SegmentBody) -> Asked:
        """Raises PhotoGone, RequestError, SettingsError or ModelError."""
        deadline_s = time.monotonic() + self.service.settings.predict_budget_s
        photo = self.photos[body.photo]
        label_config = config_of(body.labels)
        control = first_control(label_config)
        settings, _ = ProjectSettings.from_extra_params(body.extra_params)
        vocabulary = vocabulary_of(control.labels, settings)
        project = self.service.resolve_context("", settings)
        return Asked(photo, label_config, control, vocabulary, project, deadline_s)

    def _wait_for_words(self, asked: Asked) -> None:
        prompts = asked.project.method.decision.prompts
        self.service.words.wait(asked.vocabulary, prompts, left_s(asked.deadline_s))

    def _features(self, asked: Asked) -> DenseFeatures:
        """Of the photo, by the method; kept beside the photo."""
        key = encoding_key(asked.project, asked.vocabulary)
        features = asked.photo.features(key)
        if features is None:
            features = self.service.pages.encode(
                asked.photo.image, asked.project.method, asked.vocabulary,
                timeout_s=left_s(asked.deadline_s),
            )  # fmt: skip
            asked.photo.keep_features(key, features)
        return features

    @contextmanager
    def _segment_slot(self, asked: Asked) -> Iterator[None]:
        slots = self.service.annotator.painter.segment_slots
        if not slots.acquire(timeout=left_s(asked.deadline_s)):
            raise OutOfTime("Others are being predicted for too long: ask again in a moment.")
        try:
            yield
        finally:
            slots.release()


def left_s(deadline_s: float) -> float:
    return max(deadline_s - time.monotonic(), 0.0)


def config_of(text: str) -> str:
    """The labeling config itself, or one that is written for names divided by commas or lines."""
    if not text.strip(" ,\n"):
        raise RequestError("Type labels, such as: cat, grass, sky. Or paste a labeling config.")
    if text.lstrip().startswith("<"):
        return text.strip()
    return write_config(split_labels(text))


def first_control(label_config: str) -> Control:
    """The first control that masks can be made for, with labels of its own."""
    controls = read_controls(label_config)
    named = [control for control in controls if control.labels]
    if not named:
        raise LabelConfigError(
            f'The labels of "{controls[0].from_name}" come from the data of tasks, which a photo '
            "does not have: add a <Label> to the config."
        )
    if len(named[0].labels) > MAX_LABELS:
        raise RequestError(
            f"These are {len(named[0].labels)} labels; the playground takes {MAX_LABELS}."
        )
    return named[0]


def shown_map(
    found: Segmentation, asked: Asked
) -> tuple[NDArray[np.int16], dict[int, tuple[float, float]]]:
    """The label map (H, W) of the regions that a prediction would show, and of each label the score
    and the share of the image; the score of several parts is their mean, by area."""
    label_map = np.full_like(found.label_map, -1)
    shown: dict[int, tuple[float, float]] = {}
    control, settings = asked.control, asked.project.settings
    for region in shown_regions(found, control, control.labels, settings):
        label_map[region.mask] = region.label_index
        share = float(region.mask.mean())
        score, before = shown.get(region.label_index, (0.0, 0.0))
        total = before + share
        shown[region.label_index] = ((score * before + region.score * share) / total, total)
    return label_map, shown


def label_rows(
    labels: tuple[LabelSpec, ...],
    words: AskedWords,
    shown: Mapping[int, tuple[float, float]],
    found_scores: NDArray[np.float32],
) -> list[dict[str, Any]]:
    """A row for each label of the config; score and share, 0 to 1, are null where not shown.

    `left_out` is the score of a label that was found, but is left out of predictions; else null.
    """
    rows = []
    for index, label in enumerate(labels):
        score, share = shown.get(index, (None, None))
        rows.append(
            {
                "name": label.name,
                "value": label.value,
                "color": label.attrs.get("background") or hex_color_of(index),
                "words": words.by_class[index],
                "hint": label.hint,
                "score": score,
                "share": share,
                "left_out": None if index in shown else float(found_scores[index]) or None,
            }
        )
    return rows

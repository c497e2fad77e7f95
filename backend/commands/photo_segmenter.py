"""Segments photos, some read while others are in the model."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from backend.commands.overlay import Layer, color_of
from backend.commands.photo_files import Photo, read_photo
from backend.commands.photo_outputs import SegmentedPhoto
from backend.label_studio.controls import Control
from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.label_vocabulary import vocabulary_of
from backend.prediction.shown_regions import shown_regions
from backend.service import Service

READING_AHEAD = 2  # photos that are read while others are in the model
WAITING_PER_THREAD = 2  # photos at hand while files are written


class PhotoSegmenter:
    """Called with a photo, returns what /predict would show of it. Safe between threads."""

    def __init__(self, service: Service, control: Control, settings: ProjectSettings) -> None:
        """Raises ModelError or SettingsError."""
        self._control, self._settings = control, settings
        self._segmenter, self._encode = service.segmenter, service.pages.encode
        self._method = service.resolve_context("", self._settings).method
        self._vocabulary = vocabulary_of(control.labels, self._settings)
        self._slots = threading.Semaphore(service.concurrency.segmentations)
        self._n_threads = service.concurrency.parallel_tasks + READING_AHEAD

    def __call__(self, photo: Photo) -> SegmentedPhoto:
        """Raises ImageError or ModelError."""
        image = read_photo(photo.path)
        features = self._encode(image, self._method, self._vocabulary)
        with self._slots:
            found = self._segmenter.segment(features, image, self._vocabulary, self._method)
        labels = self._control.labels
        layers = [
            # By the label's place, so that it has the same color in every photo.
            Layer(labels[one.label_index].value, one.mask, one.score, color_of(one.label_index))
            for one in shown_regions(found, self._control, labels, self._settings)
        ]
        return SegmentedPhoto(photo, image, layers)

    def each(self, photos: Sequence[Photo]) -> Iterator[tuple[Photo, "Future[SegmentedPhoto]"]]:
        """Each photo with its finished future, in their order."""
        threads = ThreadPoolExecutor(self._n_threads, thread_name_prefix="photo")
        waiting: deque[tuple[Photo, Future[SegmentedPhoto]]] = deque()
        try:
            for photo in photos:
                waiting.append((photo, threads.submit(self, photo)))
                if len(waiting) > self._n_threads * WAITING_PER_THREAD:
                    waiting[0][1].exception()  # waits
                    yield waiting.popleft()
            while waiting:
                waiting[0][1].exception()
                yield waiting.popleft()
        finally:
            threads.shutdown(cancel_futures=True)

"""Exports the counters and gauges of the service's parts in /metrics."""

from typing import Protocol, cast

from backend.learning.event_queue import EventQueue
from backend.learning.worker import LearningWorker
from backend.metrics import Metrics
from backend.prediction.page_loader import PageLoader
from backend.prediction.text_cache import CachedTextEncoder
from backend.prediction.word_embedder import WordEmbedder
from backend.prelabeling.background import BackgroundRuns
from model import Segmenter


class Parts(Protocol):
    """What of a `Service` counts."""

    @property
    def metrics(self) -> Metrics: ...
    @property
    def events(self) -> EventQueue: ...
    @property
    def learning_worker(self) -> LearningWorker: ...
    @property
    def background(self) -> BackgroundRuns: ...
    @property
    def segmenter(self) -> Segmenter: ...
    @property
    def words(self) -> WordEmbedder: ...
    @property
    def pages(self) -> PageLoader: ...


def register_counts(parts: Parts) -> None:
    texts = cast(CachedTextEncoder, parts.segmenter.encode_text)
    pages, metrics = parts.pages, parts.metrics
    counts = {
        "queue": ("Corrections queued", parts.events.counts),
        "learning": ("Corrections processed", parts.learning_worker.counts),
        "text_cache": ("Texts, by where their embed was", texts.counts),
        "feature_cache": ("Images, by where features were", pages.cache.counts),
    }
    of_this_worker = {
        "background_tasks": ("Tasks left in the background", parts.background.n_left),
        "words_waiting": ("Texts to be embedded", parts.words.waiting),
        "images_waiting": ("Images in line for the model", pages.encode.waiting),
        "feature_cache_bytes": ("Images and features in memory", pages.cache.size_bytes),
    }
    of_the_store = {
        "queue_size": ("Corrections waiting", parts.events.size),
        "set_aside": ("Corrections set aside", parts.events.set_aside.count),
    }
    for name, (description, of_part) in counts.items():
        metrics.add_counts(f"firstpass_{name}", description, of_part)
    for name, (description, value) in of_this_worker.items():
        metrics.add_gauge(f"firstpass_{name}", description, value)
    for name, (description, value) in of_the_store.items():
        metrics.add_gauge(f"firstpass_{name}", description, value, "livemostrecent")
    metrics.read_gauges_for_others()

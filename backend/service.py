"""The composition root: builds every part of Firstpass once, on first access.

The server, the commands and the plugin for label-studio-ml build a `Service` from the settings and
use the parts that they need; a command that needs no model loads none.
"""

from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property

from backend.concurrency import Concurrency, Turns
from backend.images.loader import ImageConfig, ImageLoader
from backend.label_studio.client import LabelStudio
from backend.label_studio.introduction import Introduction
from backend.label_studio.key_check import KeyCheck
from backend.learning.early_deletions import EarlyDeletions
from backend.learning.event_queue import EventQueue
from backend.learning.lesson_maker import LessonMaker
from backend.learning.worker import LearningWorker
from backend.memory.active_version import ActiveVersions
from backend.memory.lesson_store import LessonStore
from backend.memory.predicted_masks import PredictedMasks
from backend.metrics import Metrics
from backend.part_metrics import register_counts
from backend.prediction.annotator import Annotator
from backend.prediction.batcher import Batcher
from backend.prediction.feature_cache import FeatureCache, FeatureCacheConfig
from backend.prediction.page_loader import PageLoader
from backend.prediction.project_context import ContextResolver
from backend.prediction.project_registry import ProjectRegistry
from backend.prediction.task_painter import TaskPainter
from backend.prediction.text_cache import CachedTextEncoder
from backend.prediction.word_embedder import WordEmbedder
from backend.prelabeling.background import BackgroundRuns
from backend.prelabeling.engines import TASK_BUDGET_S
from backend.recent_failures import RecentFailures
from backend.settings import Settings
from backend.shared_record import SharedRecord
from backend.store.store import Store, open_store
from backend.worker_group import worker_group
from model import CheckpointConfig, Segmenter, SegmentSettings, build_segmenter


class Service:
    """The parts as cached properties; `load_model` builds those that need the model."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.model_loaded: Future[None] = Future()
        self.server_problem = ""  # of the server that runs the app, in a sentence
        self.group = worker_group()  # None for a single process

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics(self.group.folder if self.group else None)

    @cached_property
    def store(self) -> Store:
        return open_store(self.settings.redis_url or None, self.settings.data_dir)

    @cached_property
    def label_studio(self) -> LabelStudio:
        return LabelStudio(
            self.settings.label_studio_url,
            self.settings.label_studio_api_key or None,
            introduction=Introduction(self._shared_record),
        )

    @cached_property
    def key_check(self) -> KeyCheck:
        return KeyCheck(self.label_studio, self._shared_record)

    @property
    def _shared_record(self) -> SharedRecord | None:
        return self.group.record if self.group else None

    @cached_property
    def failures(self) -> RecentFailures:
        return RecentFailures(self.group)

    @cached_property
    def projects(self) -> ProjectRegistry:
        return ProjectRegistry(self.store)

    @cached_property
    def lessons(self) -> LessonStore:
        return LessonStore(self.store, self.settings.learn_every, metrics=self.metrics)

    @cached_property
    def events(self) -> EventQueue:
        return EventQueue(self.store, self.settings.data_dir)

    @cached_property
    def active_versions(self) -> ActiveVersions | None:
        return ActiveVersions(self.lessons) if self.is_learning else None

    @cached_property
    def predicted_masks(self) -> PredictedMasks | None:
        return PredictedMasks(self.store) if self.is_learning else None

    @property
    def is_learning(self) -> bool:
        return self.settings.learn == "on"

    @property
    def default_segment_settings(self) -> SegmentSettings:
        """For projects that set nothing themselves."""
        return SegmentSettings(self.settings.method, self.settings.refiner or None)

    # --- parts that need the model

    @property
    def is_model_loaded(self) -> bool:
        return self.model_loaded.done() and self.model_loaded.exception() is None

    def load_model(self) -> None:
        """Build all parts that need the model; sets the result or exception of `model_loaded`."""
        try:
            with self.group.one_first("model") if self.group else nullcontext():
                self.annotator, self.learning_worker  # noqa: B018, built by access
            register_counts(self)
        except Exception as error:
            self.model_loaded.set_exception(error)
            raise
        self.model_loaded.set_result(None)

    @cached_property
    def segmenter(self) -> Segmenter:
        """With a cache for text embeds. Raises ModelError."""
        settings = self.settings
        segmenter = build_segmenter(
            CheckpointConfig(
                settings.clip_model, settings.clip_pretrained, settings.device, settings.precision
            )
        )
        self.default_segment_settings.resolve()  # raises for an unknown METHOD or REFINER
        return replace(segmenter, encode_text=CachedTextEncoder(segmenter.encode_text, self.store))

    @cached_property
    def words(self) -> WordEmbedder:
        return WordEmbedder(self.segmenter.encode_text)

    @cached_property
    def concurrency(self) -> Concurrency:
        is_gpu = self.segmenter.encode_image.device.type != "cpu"
        return Concurrency.of(self.settings, is_gpu=is_gpu)

    @cached_property
    def pages(self) -> PageLoader:
        settings, limits = self.settings, self.concurrency
        images = ImageConfig(
            max_bytes=settings.image_max_mb * 2**20,
            max_pixels=settings.image_max_mpx * 1_000_000,
            # The cache keeps images beyond their request, which must not take the others' room.
            max_memory_bytes=(settings.image_memory_mb + settings.feature_cache_mb) * 2**20,
            timeout_s=settings.image_timeout_s,
            local_root=settings.local_files_root,
            allowed_hosts=settings.image_hosts_allowed,
            per_host=limits.downloads_per_host,
        )
        features = FeatureCacheConfig(settings.feature_cache_mb * 2**20, settings.feature_store_s)
        return PageLoader(
            load_image=ImageLoader(images, self.label_studio),
            encode=Batcher(
                self.segmenter.encode,
                max_images=limits.max_batch_images,
                wait_s=limits.batch_wait_s,
                max_waiting=limits.max_waiting_images,
                on_batch=self.metrics.batch_images.observe,
            ),
            cache=FeatureCache(self.store, features),
            metrics=self.metrics,
        )

    @cached_property
    def resolve_context(self) -> ContextResolver:
        return ContextResolver(self.segmenter, self.default_segment_settings)

    @cached_property
    def annotator(self) -> Annotator:
        """Of requests; what they do not reach goes on in `background`."""
        return replace(self._annotator, background=self.background)

    @cached_property
    def background(self) -> BackgroundRuns:
        return BackgroundRuns(
            annotator=replace(
                self._annotator, budget_s=TASK_BUDGET_S, parallel_tasks=1, is_background=True
            ),
            n_threads=self.concurrency.parallel_tasks,
            studio=self.label_studio,
            store=self.store,
            settings_of=self.projects.settings_of,
        )

    @cached_property
    def _annotator(self) -> Annotator:
        painter = TaskPainter(
            segmenter=self.segmenter,
            words=self.words,
            pages=self.pages,
            metrics=self.metrics,
            segment_slots=Turns(self.concurrency.segmentations),
            predicted_masks=self.predicted_masks,
        )
        return Annotator(
            resolve_context=self.resolve_context,
            painter=painter,
            metrics=self.metrics,
            failures=self.failures,
            budget_s=self.settings.predict_budget_s,
            parallel_tasks=self.concurrency.parallel_tasks,
            active_versions=self.active_versions,
        )

    @cached_property
    def learning_worker(self) -> LearningWorker:
        return LearningWorker(
            make_lessons=LessonMaker(
                segmenter=self.segmenter,
                resolve_context=self.resolve_context,
                pages=self.pages,
                projects=self.projects,
                metrics=self.metrics,
                failures=self.failures,
                predicted_masks=self.predicted_masks,
            ),
            queue=self.events,
            lessons=self.lessons,
            failures=self.failures,
            predicted_masks=self.predicted_masks,
            is_learning=self.is_learning,
            training_wait_s=self.settings.training_wait_s,
        )

    @cached_property
    def early_deletions(self) -> EarlyDeletions:
        return EarlyDeletions(self.learning_worker)

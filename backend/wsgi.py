"""The composition root: settings to parts to app. Parts are built here and nowhere else."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from flask import Flask

from backend.http.app import Parts, create_app
from backend.images.loader import ImageConfig, ImageLoader
from backend.label_studio.client import LabelStudio
from backend.learning.event_queue import CorrectionQueue
from backend.learning.worker import Learner
from backend.memory.active_version import Recall
from backend.memory.lesson_store import MemoryStore
from backend.memory.shown_predictions import ShownMasks
from backend.metrics import Metrics
from backend.prediction.annotator import NOTHING, Annotator
from backend.prediction.batcher import Batcher
from backend.prediction.feature_cache import FeatureCache, FeatureCacheConfig
from backend.prediction.text_cache import CachedTextEncoder
from backend.settings import Settings
from backend.store.store import Store, open_store
from model import (
    CheckpointConfig,
    PointPrompt,
    Segmenter,
    SegmentSettings,
    Vocabulary,
    build_segmenter,
)

log = logging.getLogger(__name__)


def load_segmenter(settings: Settings, store: Store) -> Segmenter:
    """The model of these settings, its text embeds kept in the store. Raises ModelError."""
    segmenter = build_segmenter(
        CheckpointConfig(
            settings.clip_model, settings.clip_pretrained, settings.device, settings.precision
        )
    )
    default_settings(settings).resolve()  # an unknown METHOD or REFINER is told now
    return replace(segmenter, encode_text=CachedTextEncoder(segmenter.encode_text, store))


def default_settings(settings: Settings) -> SegmentSettings:
    """What a project gets that sets nothing."""
    return SegmentSettings(settings.method, settings.refiner or None)


def build_annotator(
    settings: Settings, store: Store, label_studio: LabelStudio, metrics: Metrics
) -> Annotator:
    """Load the model and join it with what it needs. Raises ModelError or SettingsError."""
    load_image = ImageLoader(image_config(settings), label_studio)
    segmenter = load_segmenter(settings, store)
    is_gpu = segmenter.encode_image.device.type != "cpu"
    max_images = settings.batch_images or (8 if is_gpu else 1)
    return Annotator(
        segmenter=segmenter,
        load_image=load_image,
        batcher=Batcher(
            segmenter.encode,
            max_images=max_images,
            wait_s=settings.batch_wait_ms / 1000 if is_gpu else 0.0,
            on_batch=metrics.batch_images.observe,
        ),
        default=default_settings(settings),
        metrics=metrics,
        budget_s=settings.predict_budget_s,
        tasks_at_once=2 * max_images,
        features=FeatureCache(store, feature_config(settings)),
        recall=Recall(store, MemoryStore(store)) if settings.learn == "on" else None,
        shown=ShownMasks(store) if settings.learn == "on" else None,
    )


def build_learner(parts: Parts) -> Learner:
    """What works off the corrections; the model must be loaded."""
    annotator = parts.annotator.result()
    return Learner(
        annotator=annotator,
        queue=parts.corrections,
        memory=parts.memory,
        projects=parts.projects,
        shown=annotator.shown,
        is_learning=parts.settings.learn == "on",
    )


def watch_parts(parts: Parts, learner: Learner) -> None:
    """Have /metrics show what the parts count by themselves."""
    annotator, watch = learner.annotator, parts.metrics.watch
    watch("firstpass_queue", "Corrections taken in", lambda: parts.corrections.counters)
    parts.metrics.watch_value("firstpass_queue_size", "Corrections waiting", parts.corrections.size)
    watch("firstpass_learning", "Corrections worked off, by outcome", lambda: learner.counters)
    if isinstance(encode_text := annotator.segmenter.encode_text, CachedTextEncoder):
        watch(
            "firstpass_text_cache", "Texts, by where their embed was", lambda: encode_text.counters
        )
    if features := annotator.features:
        watch(
            "firstpass_feature_cache", "Images, by where features were", lambda: features.counters
        )
        parts.metrics.watch_value(
            "firstpass_feature_cache_bytes", "Images and features in memory", features.size_bytes
        )


def feature_config(settings: Settings) -> FeatureCacheConfig:
    return FeatureCacheConfig(settings.feature_cache_mb * 2**20, settings.feature_store_s)


def image_config(settings: Settings) -> ImageConfig:
    return ImageConfig(
        max_bytes=settings.image_max_mb * 2**20,
        max_pixels=settings.image_max_mpx * 1_000_000,
        timeout_s=settings.image_timeout_s,
        local_root=settings.local_files_root,
        allowed_hosts=settings.image_hosts_allowed,
    )


def create(
    settings: Settings | None = None,
    on_ready: Callable[[Parts], None] | None = None,
    on_failure: Callable[[Exception], None] | None = None,
) -> Flask:
    """The whole service: gunicorn 'backend.wsgi:create()'.

    The model loads in a thread of its own, so that /health answers at once; that thread calls
    `on_ready` or `on_failure` at its end.
    """
    settings = settings or Settings.from_env()
    store = open_store(settings.redis_url or None, settings.data_dir)
    label_studio = LabelStudio(settings.label_studio_url, settings.label_studio_api_key or None)
    parts = Parts(
        settings=settings,
        annotator=Future(),
        store=store,
        label_studio=label_studio,
        corrections=CorrectionQueue(store, settings.data_dir),
    )

    def load() -> None:
        try:
            annotator = build_annotator(settings, store, label_studio, parts.metrics)
        except Exception as error:
            log.debug("the model cannot be loaded", exc_info=True)
            parts.annotator.set_exception(error)
            store.close()
            if on_failure is not None:
                on_failure(error)
            return
        parts.annotator.set_result(annotator)
        parts.learner = build_learner(parts)
        watch_parts(parts, parts.learner)
        parts.learner.start()
        if on_ready is not None:
            on_ready(parts)
        # Words that all projects share are embedded before the first of them asks.
        try:
            warm_up(annotator)
        except Exception as error:  # the store is closed when the server stops meanwhile
            log.warning("The words that all projects share are not embedded yet: %s", error)
            log.debug("warming up failed", exc_info=True)

    threading.Thread(target=load, name="load-model", daemon=True).start()
    return create_app(parts)


def warm_up(annotator: Annotator) -> None:
    """Go once through a prediction and a click: first times are slow."""
    segmenter, words = annotator.segmenter, Vocabulary.of(["object"])
    method = annotator.default.resolve()
    (features,) = segmenter.encode([NOTHING], method, words)
    segmenter.segment(features, NOTHING, words, method)
    segmenter.answer_prompts(features, NOTHING, [PointPrompt(0.5, 0.5)], words, 0, method)


def start_block(parts: Parts) -> str:
    """What a person wants to know when the service is up, in one block."""
    settings, about, store = parts.settings, parts.annotator.result().describe(), parts.store
    kept = store.describe()
    rows = [
        ("model", f"{about['model_version']}"),
        ("device", f"{about['device']}, {about['precision']}"),
        ("store", f"{kept['kind']} at {kept['address']}"),
        ("data", str(settings.data_dir)),
        ("connect", f"paste {own_url(settings)} in Label Studio: Settings > Model > Connect Model"),
    ]
    rows += [("degraded", sentence) for sentence in parts.degradations()]
    lines = [f"  {name:<10}{text}" for name, text in rows]
    return "\n".join(["", "  Firstpass is ready", *lines, ""])


def own_url(settings: Settings) -> str:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    return f"http://{host}:{settings.port}"

"""What /metrics counts, in its own registry: two apps in one process do not mix."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 90)


class Metrics:
    def __init__(self) -> None:
        disable_created_metrics()
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "firstpass_requests", "Requests answered", ["route", "status"], registry=registry
        )
        self.tasks = Counter(
            "firstpass_tasks", "Tasks answered: painted, empty or failed", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self.failures = Counter(
            "firstpass_failures", "What went wrong, by code", ["code"], registry=registry
        )
        self.events = Counter(
            "firstpass_webhook_events", "Webhook events, by action", ["action"], registry=registry
        )
        self.stages = Histogram(
            "firstpass_stage_seconds", "Time of one task in each stage", ["stage"],
            buckets=STAGE_SECONDS, registry=registry,
        )  # fmt: skip
        self.batch_images = Histogram(
            "firstpass_batch_images", "Images encoded in one batch",
            buckets=(1, 2, 4, 8, 16, 32, 64), registry=registry,
        )  # fmt: skip
        self.predicting = Gauge(
            "firstpass_predict_requests", "/predict requests now being answered", registry=registry
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stages.labels(name).observe(time.perf_counter() - started)

    def text(self) -> bytes:
        """All counters in Prometheus' text format."""
        return generate_latest(self.registry)

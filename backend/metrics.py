"""Prometheus metrics of the service, in a registry of its own for each app in a process.

Those of several workers are summed by prometheus_client's multiprocess mode, from files in a folder
that they share: whichever is asked answers for all, and for those that have ended.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

# How a gauge's values in several workers become one: all of them read the same, or each its own.
Scope = Literal["livemostrecent", "livesum"]

GAUGES_EACH_S = 5.0  # the age of other workers' gauges in an answer

log = logging.getLogger(__name__)

STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 90)


class Counts:
    """Counters by kind since the start of this process. Safe between threads."""

    def __init__(self, *kinds: str) -> None:
        self._numbers = dict.fromkeys(kinds, 0)
        self._exported: Counter | None = None
        self._lock = threading.Lock()

    def add(self, **more: int) -> None:
        """Raises KeyError for a kind that the constructor was not given."""
        with self._lock:
            for kind, number in more.items():
                self._numbers[kind] += number
                if self._exported is not None:
                    self._exported.labels(kind).inc(number)

    def export(self, counter: Counter) -> None:
        """Count in this counter, too, with a label for each kind; what was counted is added."""
        with self._lock:
            self._exported = counter
            for kind, number in self._numbers.items():
                counter.labels(kind).inc(number)

    def __getitem__(self, kind: str) -> int:
        return self._numbers[kind]

    def as_dict(self) -> dict[str, int]:
        with self._lock:
            return dict(self._numbers)


class Metrics:
    def __init__(self, shared_folder: Path | None = None) -> None:
        """`shared_folder`: PROMETHEUS_MULTIPROC_DIR of this worker and the others."""
        disable_created_metrics()
        self._shared_folder = shared_folder
        self._gauges: list[tuple[Gauge, Callable[[], float]]] = []
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "firstpass_requests", "Requests answered", ["route", "status"], registry=registry
        )
        self.tasks = Counter(
            "firstpass_tasks", "Tasks answered: painted, empty, partial or failed", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self.labels = Counter(
            "firstpass_labels", "Labels found in images: shown, or left_out as small or unsure",
            ["outcome"], registry=registry,
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
            "firstpass_predict_requests", "/predict requests now being answered",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip

        self.shown_regions = Counter(
            "firstpass_shown_regions", "Regions that were shown, by what became of them", ["kind"],
            registry=registry,
        )  # fmt: skip
        self.compared_labels = Counter(
            "firstpass_compared_labels", "Labels of annotations compared with what was shown",
            registry=registry,
        )  # fmt: skip
        self.compared_labels_iou = Counter(
            "firstpass_compared_labels_iou", "Sum of the IoU of these labels", registry=registry
        )

    def count_agreement(self, labels: int, iou_sum: float, regions: Mapping[str, int]) -> None:
        """Count an annotation that was compared with what was shown. `regions`: by kind."""
        self.compared_labels.inc(labels)
        self.compared_labels_iou.inc(iou_sum)
        for kind, number in regions.items():
            self.shown_regions.labels(kind).inc(number)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the wall time of the block as a stage of a task."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stages.labels(name).observe(time.perf_counter() - started)

    def add_counts(self, name: str, description: str, counts: Counts) -> None:
        """Export the counters of a part, with a label for each kind."""
        counts.export(Counter(name, description, ["kind"], registry=self.registry))

    def add_gauge(
        self, name: str, description: str, value: Callable[[], float], scope: Scope = "livesum"
    ) -> None:
        """Export a value that is read at each scrape; of other workers every GAUGES_EACH_S."""
        gauge = Gauge(name, description, registry=self.registry, multiprocess_mode=scope)
        self._gauges.append((gauge, value))

    def read_gauges(self) -> None:
        for gauge, value in list(self._gauges):
            gauge.set(value())

    def read_gauges_for_others(self) -> None:
        """Begin to read them in a thread, if there are other workers."""
        if self._shared_folder is not None:
            threading.Thread(target=self._go_on_reading, name="gauges", daemon=True).start()

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        self.read_gauges()
        if self._shared_folder is None:
            return generate_latest(self.registry)
        of_all = CollectorRegistry()
        MultiProcessCollector(of_all, str(self._shared_folder))
        return generate_latest(of_all)

    def _go_on_reading(self) -> None:
        while True:
            time.sleep(GAUGES_EACH_S)
            try:
                self.read_gauges()
            except Exception:
                log.debug("the gauges of this worker cannot be read", exc_info=True)

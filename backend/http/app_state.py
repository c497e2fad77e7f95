"""What the routes of one Flask app share: the service, a limit on predictions, background tasks."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError  # its own class before 3.11
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import current_app

from backend.concurrency import Concurrency
from backend.errors import Overloaded
from backend.log_once import WarnOnce
from backend.prediction.annotator import Annotator
from backend.service import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AppState:
    service: Service
    # Fewer than the server's threads, so that /health always gets one.
    free_predictions: threading.Semaphore
    warn_once: WarnOnce = field(default_factory=lambda: WarnOnce(log))

    @contextmanager
    def prediction_slot(self) -> Iterator[None]:
        """One of the places for predictions. Raises Overloaded if all are taken."""
        if not self.free_predictions.acquire(blocking=False):
            raise Overloaded("Too many predictions are running already. Ask again in a moment.")
        try:
            with self.service.metrics.predicting.track_inprogress():
                yield
        finally:
            self.free_predictions.release()

    @classmethod
    def of(cls, service: Service) -> "AppState":
        limit = Concurrency.of(service.settings).predictions
        return cls(service, threading.BoundedSemaphore(limit))


def app_state() -> AppState:
    """The state of the app that handles the current request."""
    found: AppState = current_app.extensions["app_state"]
    return found


def wait_for_annotator(timeout_s: float) -> Annotator:
    """The annotator once the model is loaded. Raises Overloaded after `timeout_s`."""
    service = app_state().service
    try:
        service.model_loaded.result(timeout_s)
    except FutureTimeoutError as error:
        raise Overloaded("The model is still loading. Ask again in a moment.") from error
    return service.annotator

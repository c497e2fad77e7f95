"""What the routes of one Flask app share: the service, a limit on predictions, background tasks."""

import logging
import threading
from dataclasses import dataclass, field

from flask import current_app

from backend.concurrency import Concurrency
from backend.log_once import WarnOnce
from backend.service import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AppState:
    service: Service
    # Fewer than the server's threads, so that /health always gets one.
    free_predictions: threading.Semaphore
    warn_once: WarnOnce = field(default_factory=lambda: WarnOnce(log))

    @classmethod
    def of(cls, service: Service) -> "AppState":
        limit = Concurrency.of(service.settings).predictions
        return cls(service, threading.BoundedSemaphore(limit))


def app_state() -> AppState:
    """The state of the app that handles the current request."""
    found: AppState = current_app.extensions["app_state"]
    return found

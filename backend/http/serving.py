"""What the routes work with: the parts of the service, and what only the server needs."""

import threading
from dataclasses import dataclass, field

from flask import current_app

from backend.concurrency import Concurrency
from backend.http.log_once import WarnOnce
from backend.http.warm_up import VocabularyWarmer
from backend.service import Service


@dataclass(frozen=True)
class Serving:
    service: Service
    # Predictions may not take every thread: /health must always find one.
    free_predictions: threading.Semaphore
    warmer: VocabularyWarmer = field(default_factory=VocabularyWarmer)
    warn_once: WarnOnce = field(default_factory=WarnOnce)

    @classmethod
    def of(cls, service: Service) -> "Serving":
        limit = Concurrency.of(service.settings).predictions
        return cls(service, threading.BoundedSemaphore(limit))


def serving() -> Serving:
    """Of the app that answers the current request."""
    found: Serving = current_app.extensions["serving"]
    return found

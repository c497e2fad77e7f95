"""What the routes of one Flask app share: the service, places for predictions, warnings."""

import logging
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError  # its own class before 3.11
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import current_app

from backend.concurrency import Concurrency, Lanes
from backend.errors import Overloaded
from backend.log_once import WarnOnce
from backend.prediction.annotator import Annotator
from backend.service import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AppState:
    service: Service
    lanes: Lanes
    warn_once: WarnOnce = field(default_factory=lambda: WarnOnce(log))

    @contextmanager
    def prediction_slot(self, n_tasks: int = 1, *, is_click: bool = False) -> Iterator[None]:
        """A place for a prediction of so many tasks. Raises Overloaded if all are taken."""
        predicting = self.service.metrics.predicting
        with self.lanes.place(n_tasks, is_click=is_click), predicting.track_inprogress():
            yield

    @classmethod
    def of(cls, service: Service) -> "AppState":
        return cls(service, Lanes(Concurrency.of(service.settings)))


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

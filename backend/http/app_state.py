"""What the routes of one Flask app share: the service, places for predictions, warnings."""

import logging
from dataclasses import dataclass, field

from flask import current_app

from backend.concurrency import Concurrency, Lanes
from backend.log_once import WarnOnce
from backend.service import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AppState:
    service: Service
    lanes: Lanes
    warn_once: WarnOnce = field(default_factory=lambda: WarnOnce(log))

    @classmethod
    def of(cls, service: Service) -> "AppState":
        return cls(service, Lanes(Concurrency.of(service.settings)))


def app_state() -> AppState:
    """The state of the app that handles the current request."""
    found: AppState = current_app.extensions["app_state"]
    return found

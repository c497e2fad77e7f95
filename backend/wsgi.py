"""Builds the whole service as a WSGI app: `gunicorn 'backend.wsgi:create()'`."""

import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask

from backend.allocator import give_freed_memory_back
from backend.http.app import create_app
from backend.http.warm_up import warm_up
from backend.log_setup import set_up_logging
from backend.service import Service
from backend.settings import Settings, likely_typos
from backend.timed_http import end_all_exchanges

log = logging.getLogger(__name__)


def create(
    settings: Settings | None = None,
    on_ready: Callable[[Service], None] = lambda _service: None,
    on_failure: Callable[[Exception], None] = lambda _error: None,
) -> Flask:
    """The Flask app for these settings, by default those of the environment.

    The model is loaded in a thread, so that /health answers at once. The thread calls `on_ready`
    or `on_failure` when it is done.
    """
    if settings is None:  # started by gunicorn alone
        settings = Settings.from_env()
        set_up_logging(settings.log_level)
        for sentence in likely_typos():
            log.warning("%s", sentence)
    give_freed_memory_back()
    end_exchanges_at_sigterm()
    service = Service(settings)
    app = create_app(service)
    service.events  # noqa: B018, built before the first webhook arrives
    service.key_check.try_later()

    def load() -> None:
        try:
            service.load_model()
        except Exception as error:
            log.error("The model cannot be loaded: %s", error)
            log.debug("loading the model failed", exc_info=True)
            service.store.close()
            on_failure(error)
            return
        service.learning_worker.start()
        on_ready(service)
        try:
            warm_up(service.segmenter, service.default_segment_settings)
        except Exception as error:  # such as a store that was closed when the server stopped
            log.warning("The words that all projects share are not embedded yet: %s", error)
            log.debug("warming up failed", exc_info=True)

    threading.Thread(target=load, name="load-model", daemon=True).start()
    return app


def end_exchanges_at_sigterm() -> None:
    """Have SIGTERM end downloads before it does what it does; the server waits for requests."""
    if threading.current_thread() is not threading.main_thread():
        return  # of a program that has the app in a thread of its own
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before):
        return  # nobody waits: the process ends at once

    def handle(number: int, frame: Any) -> None:
        # In a thread, since the one that is interrupted may hold the locks.
        threading.Thread(target=end_all_exchanges, daemon=True).start()
        before(number, frame)

    signal.signal(signal.SIGTERM, handle)

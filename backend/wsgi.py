"""Builds the whole service as a WSGI app, `backend.wsgi:create()`.

`gunicorn -c python:backend.commands.gunicorn_config` serves it as `python -m backend serve` does.
"""

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask

from backend.allocator import give_freed_memory_back
from backend.client_guard import UNGUARDED, is_guarded
from backend.http.app import create_app
from backend.http.warm_up import warm_up
from backend.log_setup import set_up_logging
from backend.service import Service
from backend.settings import Settings, likely_typos
from backend.timed_http import end_all_exchanges

STOP_TIMEOUT_S = 15.0  # gunicorn kills a worker after 30 s, in which requests are answered, too
BACKGROUND_STOP_S = 8.0  # for the tasks in work; learning has ended, or had its time
MODEL_CALL_S = 1.0  # to wait for a call of the model that may be given up

STOP_SIGNALS = [one for one in signal.Signals if one.name in {"SIGTERM", "SIGINT", "SIGQUIT"}]

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
    is_by_hand = settings is None  # started by gunicorn or another server alone
    if settings is None:
        settings = Settings.from_env()
        set_up_logging(settings.log_level)
        for sentence in likely_typos():
            log.warning("%s", sentence)
    give_freed_memory_back()
    end_exchanges_at_signals()
    service = Service(settings)
    if is_by_hand and not is_guarded():
        service.server_problem = UNGUARDED
        log.warning("%s", UNGUARDED)
    app = create_app(service)
    service.events  # noqa: B018, built before the first webhook arrives
    service.key_check.try_first()
    loader = ModelLoader(service, on_ready, on_failure)
    # After the parts were built, so that it runs before their own ends.
    atexit.register(stop_threads, service, loader)
    loader.start()
    return app


class ModelLoader(threading.Thread):
    """Loads the model, starts learning and runs slow first calls; stops between these steps."""

    def __init__(
        self,
        service: Service,
        on_ready: Callable[[Service], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        super().__init__(name="load-model", daemon=True)
        self.stopping = threading.Event()
        self._service, self._on_ready, self._on_failure = service, on_ready, on_failure

    def run(self) -> None:
        service = self._service
        try:
            service.load_model()
        except Exception as error:
            log.error("The model cannot be loaded: %s", error)
            log.debug("loading the model failed", exc_info=True)
            service.store.close()
            self._on_failure(error)
            return
        if self.stopping.is_set():
            return
        service.learning_worker.start()
        service.background.keep_taking_over()
        if service.group is not None:
            service.group.has_loaded.set()
        self._on_ready(service)
        if self.stopping.is_set():
            return
        try:
            warm_up(service.segmenter, service.default_segment_settings)
        except Exception as error:  # such as a store that was closed when the server stopped
            log.warning("The words that all projects share are not embedded yet: %s", error)
            log.debug("warming up failed", exc_info=True)


def stop_threads(service: Service, loader: ModelLoader) -> None:
    """End the threads that use the model, and close the store.

    Learning ends with the correction in work, which takes at most STOP_TIMEOUT_S; no other thread
    does what would have to be done again. A thread that is inside PyTorch when the interpreter ends
    would abort the process, so that with such a thread it ends at once.
    """
    loader.stopping.set()
    loader.join(MODEL_CALL_S)
    ended = [not loader.is_alive()]
    if service.is_model_loaded:
        service.background.begin_to_stop()
        has_learned = service.learning_worker.stop(STOP_TIMEOUT_S)
        if not has_learned:
            log.warning("A correction is not learned yet: it is after the next start.")
        ended += [has_learned, service.background.stop(BACKGROUND_STOP_S)]
        ended.append(service.early_deletions.stop(MODEL_CALL_S))
        ended.append(service.words.stop(MODEL_CALL_S))
        ended.append(service.pages.encode.close(MODEL_CALL_S))
    service.store.close()
    if not all(ended):
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def end_exchanges_at_signals() -> None:
    """Have signals that stop a process end downloads before they do what they do.

    The server waits for requests, and the interpreter for the background's tasks in work.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # of a program that has the app in a thread of its own
    for number in STOP_SIGNALS:
        before = signal.getsignal(number)
        if callable(before):  # else nobody waits: the process ends at once
            signal.signal(number, partial(end_exchanges_and, before))


def end_exchanges_and(before: Callable[[int, Any], Any], number: int, frame: Any) -> None:
    # In a thread, since the one that is interrupted may hold the locks.
    threading.Thread(target=end_all_exchanges, daemon=True).start()
    before(number, frame)

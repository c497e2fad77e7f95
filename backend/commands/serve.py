"""`python -m backend serve`: gunicorn, started from Python, whose workers run waitress."""

import contextlib
import logging
import os
import signal
from collections.abc import Iterator

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from backend.commands.gunicorn_options import gunicorn_options
from backend.errors import SettingsError
from backend.listen_address import bracket_ipv6, check_bind
from backend.log_setup import set_up_logging
from backend.settings import Settings, likely_typos
from backend.worker_group import worker_group

log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises SettingsError if the address is not free."""
    set_up_logging(settings.log_level)
    for sentence in likely_typos():
        log.warning("%s", sentence)
    check_address_is_free(settings)
    GunicornServer(settings).run()


class GunicornServer(BaseApplication):
    """A gunicorn application configured by our settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in gunicorn_options(self.settings).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        with exit_at_signals():
            # Imported in the worker: torch must not be loaded before gunicorn forks.
            from backend.commands.start_block import start_block
            from backend.wsgi import create, end_exchanges_at_signals

            app = create(
                self.settings,
                on_ready=lambda service: print_once(start_block(service)),
                on_failure=stop_server,
            )
        end_exchanges_at_signals()  # again: what it did above is undone with the block's handlers
        return app


def print_once(block: str) -> None:
    """By the first of several workers that is ready."""
    group = worker_group()
    if group is None or group.is_first("start block"):
        print(block, flush=True)


@contextlib.contextmanager
def exit_at_signals() -> Iterator[None]:
    """Have the signals that stop a worker end it at once: so far there is nothing to finish.

    gunicorn's own handlers wait for the end of the block, whose imports may take half a minute on a
    busy machine; then the worker would be killed.
    """
    stops = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
    before = {number: signal.signal(number, lambda *_: os._exit(0)) for number in stops}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def stop_server(_error: Exception) -> None:
    """Exit when the model cannot be loaded, which is logged; else gunicorn restarts forever."""
    logging.shutdown()
    os._exit(Arbiter.APP_LOAD_ERROR)


def check_address_is_free(settings: Settings) -> None:
    try:
        check_bind(settings.host, settings.port)
    except OSError as error:
        raise SettingsError(
            f"Cannot listen on {bracket_ipv6(settings.host)}:{settings.port}: {error.strerror}. "
            "Set HOST to an address of this machine and PORT to a free one, "
            f"such as PORT={settings.port + 1}."
        ) from error

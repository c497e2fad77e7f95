"""How gunicorn runs Firstpass, whoever starts it."""

from typing import Any

from gunicorn.config import KNOWN_SETTINGS

from backend.commands.waitress_worker import WaitressWorker
from backend.commands.worker_hooks import worker_hooks
from backend.concurrency import Concurrency
from backend.listen_address import bracket_ipv6
from backend.settings import Settings


def gunicorn_options(settings: Settings) -> dict[str, Any]:
    """gunicorn's own settings, by their names in its documentation."""
    options: dict[str, Any] = {
        "bind": f"{bracket_ipv6(settings.host)}:{settings.port}",
        # By default one, so that the model is in memory once; torch releases the GIL.
        "workers": settings.workers,
        **worker_hooks(settings),
        "worker_class": WaitressWorker.with_limits(
            Concurrency.of(settings), settings.max_body_mb * 2**20
        ),
        "timeout": 0,  # a long batch is no hung worker; PREDICT_BUDGET_S limits requests
        "graceful_timeout": 30,
        "proc_name": "firstpass",
        "loglevel": "debug" if settings.log_level == "debug" else "warning",
    }
    # A path of the user's, by which any service of that user would be controlled.
    if any(one.name == "control_socket_disable" for one in KNOWN_SETTINGS):  # since gunicorn 25
        options["control_socket_disable"] = True
    return options

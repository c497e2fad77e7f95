"""Whether the server that runs the app guards its threads against clients that stall.

`backend.commands.waitress_worker` does. Workers of gunicorn's own and other WSGI servers do not:
with them a few clients that send half a request each leave no thread for anybody else.
"""

import threading

UNGUARDED = (
    "Clients that send or read slowly can take all threads of this server, and it does not know "
    "THREADS nor MAX_BODY_MB: start it by `python -m backend serve`, or by "
    "`gunicorn -c python:backend.commands.gunicorn_config`."
)

_guarded = threading.Event()


def declare_guarded() -> None:
    """Called in the process of a server that guards its threads, before it makes the app."""
    _guarded.set()


def is_guarded() -> bool:
    return _guarded.is_set()

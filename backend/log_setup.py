"""Sets up the log of a process that serves: by `python -m backend serve`, or by gunicorn alone."""

import logging

QUIET = ("urllib3", "PIL", "filelock", "open_clip")  # below warnings they tell of their own work
OURS = ("backend", "model")


def set_up_logging(level: str) -> None:
    """Log to stderr from this level on; with handlers of the program around us, to those."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S"
    )
    for name in OURS:  # whatever level that program gave its root
        logging.getLogger(name).setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))

"""Sets up the log of a process that serves: by `python -m backend serve`, or by gunicorn alone."""

import logging

OURS = ("backend", "model")
LIBRARIES = ("urllib3", "PIL", "filelock", "open_clip")  # quiet in another program's log, too


def set_up_logging(level: str) -> None:
    """Log to stderr from this level on; with handlers of the program around us, to those.

    From libraries only what is a warning or worse: below that, HTTP libraries write every URL with
    its query, which may hold a signature.
    """
    logging.basicConfig(
        level="ERROR" if level == "error" else "WARNING",
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
    )
    for name in OURS:  # whatever level that program gave its root
        logging.getLogger(name).setLevel(level.upper())
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))

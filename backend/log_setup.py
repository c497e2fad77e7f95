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
    for handler in logging.getLogger().handlers:
        if not any(isinstance(one, OneLineEach) for one in handler.filters):
            handler.addFilter(OneLineEach())
    for name in OURS:  # whatever level that program gave its root
        logging.getLogger(name).setLevel(level.upper())
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    # Its warnings quote whole URLs, such as of a server whose headers are malformed.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


class OneLineEach(logging.Filter):
    """Escapes what would end a line or steer a terminal, and indents tracebacks.

    Messages quote ids, names and addresses of requests: with a line feed in one of them, a stranger
    could write lines of the log.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = escape_control_characters(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            lines = map(escape_control_characters, record.exc_text.splitlines())
            record.exc_text = "\n".join(f"  {line}" for line in lines)
        return True


def escape_control_characters(text: str) -> str:
    """The text with each character that cannot be printed as its escape, such as \\n."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

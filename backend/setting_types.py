"""Types of settings: how the text of a variable is read, and what it may be, in words."""

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import redis
from pydantic import AfterValidator, BeforeValidator

from backend.validation import Accepts


def full_match(pattern: str) -> AfterValidator:
    """A validator for text that matches the regular expression as a whole."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return AfterValidator(check)


def check_http_url(text: str) -> str:
    """An http(s) URL without its final slash. Raises ValueError."""
    parts = split_url(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(text)
    return text.rstrip("/")


def check_redis_url(text: str) -> str:
    """A URL that redis-py reads as it is meant. Raises ValueError.

    redis-py itself ignores a fragment, and a path that is no number of a database.
    """
    parts = split_url(text)
    if parts.scheme not in ("redis", "rediss", "unix") or parts.fragment:
        raise ValueError(text)
    if parts.scheme != "unix" and not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError(text)
    try:
        # Makes the connection's object, which refuses unknown options, and connects to nothing.
        redis.ConnectionPool.from_url(text).make_connection()
    except TypeError as error:
        raise ValueError(text) from error
    return text


def split_url(text: str) -> SplitResult:
    """The parts of a URL. Raises ValueError if it is none.

    Also for an @ behind the host: a login whose password contains / ? or # as they are is cut
    there, and a piece of the password would be taken for the host.
    """
    parts = urlsplit(text)
    parts.port  # noqa: B018, raises ValueError
    if "@" in parts.path + parts.query + parts.fragment:
        raise ValueError(text)
    return parts


def split_at_commas(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def to_lower_case(text: Any) -> Any:
    return text.lower() if isinstance(text, str) else text


Folder = Annotated[Path, AfterValidator(Path.expanduser), Accepts("a folder")]
HttpUrl = Annotated[
    str,
    AfterValidator(check_http_url),
    Accepts("a URL with its scheme, such as http://localhost:8080"),
]
RedisUrl = Annotated[
    str,
    AfterValidator(check_redis_url),
    Accepts(
        "a URL such as redis://localhost:6379/0 or redis://:password@host:6379/0, the special "
        "characters of its password percent-encoded (%23 for #, %40 for @, %2F for /)"
    ),
]
Hosts = Annotated[
    tuple[str, ...],
    BeforeValidator(split_at_commas),
    Accepts("hosts divided by commas, such as images.lan, *.corp.example:8443"),
]
Device = Annotated[
    str,
    full_match(r"auto|cpu|mps|(cuda|xpu)(:\d+)?"),
    Accepts("auto, cpu, cuda, cuda:N, xpu, xpu:N or mps"),
]
LowerCase = BeforeValidator(to_lower_case)

"""Types of settings: how the text of a variable is read, and what it may be, in words."""

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

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
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(text)
    return text.rstrip("/")


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
    full_match(r"(redis|rediss|unix)://.+"),
    Accepts("a URL such as redis://localhost:6379/0"),
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

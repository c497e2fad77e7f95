"""URLs for messages and logs, alone or in a text, without the secrets that they may contain."""

import re

MAX_SHOWN_CHARS = 200
URL_IN_TEXT = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+")
QUERY_IN_TEXT = re.compile(r"\?[^\s?=]+=\S*")  # of a path without a host, too


def redact_url(url: str) -> str:
    """The URL or path without login, query and fragment, at most 200 characters.

    Where a login's special characters may not be percent-encoded, as in http://user:p#x@host, no
    part of the address is shown: URL parsers take a piece of that password for the host.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    tail = rest[len(authority) :]
    if separator and "@" in tail and re.search("[@:]", authority):
        return f"{scheme}://…"
    host = authority.rpartition("@")[2]
    path = re.split("[?#]", tail, maxsplit=1)[0]
    return f"{scheme}{separator}{host}{path}"[:MAX_SHOWN_CHARS]


def redact_urls(text: str) -> str:
    """The text with each URL in it as by `redact_url`, and each path in it without its query."""
    return QUERY_IN_TEXT.sub("", URL_IN_TEXT.sub(lambda url: redact_url(url[0]), text))

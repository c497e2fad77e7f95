"""URLs for messages and logs, alone or in a text, without the secrets that they may contain."""

import re
from urllib.parse import unquote

MAX_SHOWN_CHARS = 200
URL_IN_TEXT = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+")
QUERY_IN_TEXT = re.compile(r"\?[^\s?=]+=\S*")  # of a path without a host, too
SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*")
# Where a path ends: its query, fragment or parameters, also where they are percent-encoded or lack
# their "?", as in /a.png&X-Amz-Signature=…
PATH_END = re.compile(
    r"[?#;&]|%3f|%23|%3b|%26|(?<![a-z])(signature|sig|token|secret|password|credential|key)=",
    re.IGNORECASE,
)
# A login within a path, as of a proxy's URL that holds another: /https://user:password@host
LOGIN_IN_PATH = re.compile(r"[^/\\]*(:|%3a)[^/\\]*(@|%40)", re.IGNORECASE)
LOGIN_END = re.compile("@|%40")


def redact_url(url: str) -> str:
    """The URL or path without login, query and fragment, at most 200 characters.

    Where a login's special characters may not be percent-encoded, as in http://user:p#x@host, or
    its scheme is misspelled, as in http:/user:p@host, no part of the address is shown: URL parsers
    take a piece of that password for the host.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not SCHEME.fullmatch(scheme):
        return _redact_path(url)[:MAX_SHOWN_CHARS]
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    tail = rest[len(authority) :]
    if "@" in tail and (re.search("[@:]", authority) or re.match(r"/?[?#\\]", tail)):
        return f"{scheme}://…"
    host = LOGIN_END.split(authority)[-1]
    return f"{scheme}{separator}{_cut(host)}{_cut(tail)}"[:MAX_SHOWN_CHARS]


def _redact_path(path: str) -> str:
    """For what has no scheme: a path, perhaps with a host before it, or a misspelled URL."""
    if re.search(r":.*@", unquote(path.split("?")[0]), re.DOTALL) or "@" in path.partition("#")[2]:
        return "…"
    lead = re.match(r"[/\\]{2,}", path)
    start = lead.end() if lead else 0
    authority = re.split(r"[/\\]", path[start:], maxsplit=1)[0]
    return path[:start] + _cut(LOGIN_END.split(authority)[-1] + path[start + len(authority) :])


def _cut(path: str) -> str:
    """The path up to what may be secret in it."""
    for pattern in (PATH_END, LOGIN_IN_PATH):
        if found := pattern.search(path):
            path = path[: found.start()]
    return path


def redact_urls(text: str) -> str:
    """The text with each URL in it as by `redact_url`, and each path in it without its query."""
    return QUERY_IN_TEXT.sub("", URL_IN_TEXT.sub(lambda url: redact_url(url[0]), text))

"""URLs for messages and logs, without the secrets that they may contain."""

import re

MAX_SHOWN_CHARS = 200


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

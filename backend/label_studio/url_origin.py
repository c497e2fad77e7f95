"""Origins of URLs (RFC 6454), by which it is decided where credentials may go."""

from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an http(s) URL, such as `("https", "example.com", 443)`.

    Raises ValueError for any other text, and does not quote it.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, (parts.hostname or "").rstrip("."), parts.port
    except ValueError:  # "Port could not be cast to integer value as …": a piece of a password
        raise ValueError("its host or port cannot be read") from None
    if scheme not in DEFAULT_PORTS or not host:
        raise ValueError("it must start with http:// or https:// and name a host")
    return scheme, host, port or DEFAULT_PORTS[scheme]


def may_share_credentials(known_url: str, url: str) -> bool:
    """Whether credentials for `known_url` may be sent to `url`: same origin, or http to https."""
    known, other = origin(known_url), origin(url)
    is_upgrade = known == ("http", known[1], 80) and other == ("https", known[1], 443)
    return other == known or is_upgrade

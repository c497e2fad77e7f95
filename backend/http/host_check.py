"""Refuses requests that a web page makes a browser send: of foreign origins, by rebound names.

A page that somebody visits may send requests to any address that their browser reaches. It cannot
choose two headers: `Origin`, the page's own host, and `Host`, by which the browser found us. With
DNS rebinding a page's own name resolves to our address, and both headers hold that name.
"""

import ipaddress
import re
from dataclasses import dataclass

from flask import request

from backend.errors import ForeignRequest
from backend.images.ssrf import is_allowed_host
from backend.settings import Settings

# Names without a dot, such as localhost or a service of Docker Compose, and those of domains that
# are reserved for this machine or a private network: no stranger's name server answers for them.
PRIVATE_NAME = re.compile(r"[a-z0-9_-]+|.+\.(localhost|internal|svc\.cluster\.local)")
AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>\d{1,5}))?")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Authority:
    """A host and its port, as a Host header or a URL names it."""

    host: str  # lower case, without brackets and final dot
    port: int | None  # None: the scheme's own

    @classmethod
    def parse(cls, text: str) -> "Authority | None":
        """None if the text is no host with or without a port."""
        found = AUTHORITY.fullmatch(text.lower())
        if found is None:
            return None
        port = int(found["port"]) if found["port"] else None
        return cls(found["host"].strip("[]").rstrip("."), port)

    def is_private(self) -> bool:
        """Whether it is an address or a name that nobody else's name server can answer for."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return PRIVATE_NAME.fullmatch(self.host) is not None
        return True


def check_host_and_origin(settings: Settings) -> None:
    """Raise ForeignRequest if a web page of others made a browser send the current request."""
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
    if host and not is_own_host(host, settings):
        raise ForeignRequest(
            f"This request asks for the host {ascii(host)[:80]}, which is not known here: if you "
            "reach Firstpass by this name, add it to HOSTS_ALLOWED."
        )
    if origin is not None and not is_own_origin(origin, host, settings):
        raise ForeignRequest(
            f"This request comes from a web page of {ascii(origin)[:80]}, which is not known here: "
            "if that page may steer Firstpass, add its host to HOSTS_ALLOWED."
        )


def is_own_host(header: str, settings: Settings) -> bool:
    """Whether the Host is one of ours.

    Any is, where a password is set and no names are listed: a browser has no password for the name
    of a stranger's page.
    """
    asked = Authority.parse(header)
    if asked is None:
        return False
    if asked.is_private() or asked.host == settings.host.lower():
        return True
    if settings.hosts_allowed:
        return is_allowed_host(asked.host, asked.port or 80, settings.hosts_allowed)
    return bool(settings.basic_auth_user)


def is_own_origin(origin: str, host: str, settings: Settings) -> bool:
    """Whether the page of a request is our own, or of a host that is listed by its name."""
    scheme, _, rest = origin.partition("://")
    page, asked = Authority.parse(rest), Authority.parse(host)
    if scheme not in DEFAULT_PORTS or page is None:
        return False  # such as "null", of a page in a frame without rights
    default = DEFAULT_PORTS[scheme]
    if asked is not None and page.host == asked.host:
        # A proxy that ends TLS asks us without the port of https.
        return (page.port or default) == (asked.port or default)
    listed = [entry for entry in settings.hosts_allowed if not entry.startswith("*")]
    return is_allowed_host(page.host, page.port or default, listed)

"""Protection against server-side request forgery (SSRF) by URLs in task data.

Only public addresses may be requested. Otherwise anyone who can import tasks could read what only
this machine can reach, such as a cloud's metadata service. A host is checked twice: by the
addresses that it resolves to, and by the address actually connected to, before a byte is sent. The
second check prevents DNS rebinding.
"""

import ipaddress
import socket
from collections.abc import Callable, Collection

from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from backend.errors import ImageForbidden
from backend.timed_http import (
    TimedAdapter,
    TimedHTTPConnection,
    TimedHTTPSConnection,
    left_s,
    look_up,
)

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

LOOK_UP_TIMEOUT_S = 30.0  # of a name, outside of any deadline
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that is given to public networks
# Addresses that are global by their numbers, but answered inside a network.
INSIDE = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # the host of a virtual machine in Azure
            "192.0.0.0/24",  # of protocols, among them a cloud's metadata
            "192.88.99.0/24",  # relays of 6to4, no longer in use
            "2001:db8::/32",  # documentation
            "3fff::/20",
        ),
    )
)
EMBEDDED_IPV4: list[Callable[[ipaddress.IPv6Address], ipaddress.IPv4Address | None]] = [
    lambda ip: ip.ipv4_mapped,
    lambda ip: ip.sixtofour,
    lambda ip: ip.teredo[1] if ip.teredo else None,
    lambda ip: last_32_bits(ip) if ip in NAT64 else None,
    # ISATAP, RFC 5214: an IPv4 address behind 0000:5efe or 0200:5efe in any network
    lambda ip: last_32_bits(ip) if (int(ip) >> 32) & 0xFDFFFFFF == 0x5EFE else None,
]


def last_32_bits(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)


def is_public(address: str) -> bool:
    """Whether an IP address is global unicast, and so is an IPv4 address embedded in it."""
    ip: IpAddress = ipaddress.ip_address(address.split("%")[0])
    if any(ip in network for network in INSIDE if network.version == ip.version):
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = [v4 for read in EMBEDDED_IPV4 if (v4 := read(ip))]
        if not all(is_public(str(v4)) for v4 in embedded):
            return False
        if ip.ipv4_mapped or ip in NAT64:
            return True
        if ip not in GLOBAL_UNICAST:  # site-local and IPv4-compatible addresses, and others
            return False
        if embedded:
            return True
    return ip.is_global and not ip.is_multicast


def is_allowed_host(host: str, port: int, allowed_hosts: Collection[str]) -> bool:
    """Whether the list has the host as `host`, `host:port`, `*.parent.domain` or `*`."""
    parents = host.split(".")
    patterns = {"*", host, f"[{host}]"}
    patterns |= {"*." + ".".join(parents[i:]) for i in range(1, len(parents))}
    patterns |= {f"{pattern}:{port}" for pattern in patterns}
    return not patterns.isdisjoint(entry.strip().lower() for entry in allowed_hosts)


def check_host(host: str, port: int) -> None:
    """Raise ImageForbidden if any address that the host resolves to is not public."""
    try:
        found = look_up(host, port, left_s(LOOK_UP_TIMEOUT_S))
    except OSError:
        return  # connecting will fail with a better message, or a proxy resolves the name
    for *_, address in found:
        check_address(host, str(address[0]))


def check_address(host: str, address: str) -> None:
    """Raise ImageForbidden if the host's address is not public."""
    if not is_public(address):
        named = host if host == address else f"{host} ({address})"
        raise ImageForbidden(
            f"{named} is not a public address, and task data must not steer Firstpass inside its "
            f"network: if its images are wanted, add {host} to IMAGE_HOSTS_ALLOWED."
        )


class _PublicHTTPConnection(TimedHTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _checked(self.host, super()._new_conn())


class _PublicHTTPSConnection(TimedHTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _checked(self.host, super()._new_conn())


def _checked(host: str, connected: socket.socket) -> socket.socket:
    try:
        check_address(host, connected.getpeername()[0])
    except ImageForbidden:
        connected.close()
        raise
    return connected


class _PublicHTTPPool(HTTPConnectionPool):
    ConnectionCls = _PublicHTTPConnection


class _PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPSConnection


class PublicOnlyAdapter(TimedAdapter):
    """Transport adapter that closes connections to addresses that are not public."""

    pools = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}  # noqa: RUF012

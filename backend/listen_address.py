"""The address to listen on: whether it is free, and its URL on this machine."""

import os
import socket
from pathlib import Path

# sun_path has 108 bytes on Linux and 104 on macOS, with the terminating zero.
MAX_SOCKET_PATH_BYTES = 103


def fits_unix_socket(path: Path) -> bool:
    """Whether a Unix socket's address has room for this path."""
    return len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES


def check_bind(host: str, port: int) -> None:
    """Raise OSError if the server cannot listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET  # as gunicorn decides
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def bracket_ipv6(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def local_url(host: str, port: int) -> str:
    """URL of a server that listens there, for programs on this machine."""
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    return f"http://{bracket_ipv6(host)}:{port}"

"""The address to listen on: whether it is free, and its URL on this machine."""

import socket


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

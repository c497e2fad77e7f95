"""Passes requests on to the worker that has what they need in its memory: a photo, its features.

Each task of a project belongs to one of the workers, so that its clicks find the image that was
loaded when it was opened; and a photo of the playground is with the worker that took it in. A
worker that cannot be reached is passed over: any can answer a prediction.
"""

import http.client
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from flask import Response, g, request

from backend.worker_group import worker_group

IS_PASSED_ON = "X-Firstpass-Passed-On"
CONNECT_S = 1.0
GRACE_S = 30.0  # after the time that the other worker has for it
KEPT_HEADERS = ("Content-Type", "Cache-Control", "Retry-After")
NOT_PASSED_ON = {"content-length", "transfer-encoding", "connection", "expect"}
BUSY = 503


def answer_of_owner(
    key: str, timeout_s: float, body: Mapping[str, Any] | None = None
) -> Response | None:
    """The answer of the worker that requests of this key belong to.

    None where this one shall answer: it is the one, or the other is busy or cannot be reached.
    `body`: the request's, as it was read.
    """
    group = worker_group()
    return None if group is None else answer_of(group.owner_of(key), timeout_s, body)


def answer_of_keeper(
    photo: str, timeout_s: float, body: Mapping[str, Any] | None = None
) -> Response | None:
    """The answer of the worker that keeps a photo of the page, named by `kept_name`."""
    group, worker = worker_group(), photo.partition("-")[0]
    return answer_of(worker, timeout_s, body) if group and worker in group.ready() else None


def kept_name(name: str) -> str:
    """The name by which others ask for a photo that this worker keeps."""
    group = worker_group()
    return name if group is None else f"{group.own_name}-{name}"


def answer_of(worker: str, timeout_s: float, body: Mapping[str, Any] | None) -> Response | None:
    """The answer of the worker of this name, as `answer_of_owner`."""
    group = worker_group()
    if group is None or worker == group.own_name or IS_PASSED_ON in request.headers:
        return None
    try:
        answer, data = ask(group.socket_of(worker), timeout_s + GRACE_S, body)
    except (OSError, http.client.HTTPException):  # it ends, or has ended
        return None
    if answer.status == BUSY:
        return None
    g.is_passed_on = True
    kept = [(name, answer.headers[name]) for name in KEPT_HEADERS if name in answer.headers]
    return Response(data, status=f"{answer.status} {answer.reason}", headers=kept)


def is_passed_on() -> bool:
    """Whether another worker has answered the current request, and counted it."""
    return bool(g.get("is_passed_on"))


def ask(
    path: Path, timeout_s: float, body: Mapping[str, Any] | None
) -> tuple[http.client.HTTPResponse, bytes]:
    """Answer and its body for the current request. Raises OSError or HTTPException."""
    connection = _Connection(path, timeout_s)
    headers = {name: value for name, value in request.headers if name.lower() not in NOT_PASSED_ON}
    headers |= {IS_PASSED_ON: "1", "Connection": "close"}
    data = None if body is None else orjson.dumps(body)
    try:
        connection.request(request.method, quote(request.path), data, headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """To a socket in the file system."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path, self._timeout_s = path, timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CONNECT_S)
        self.sock.connect(str(self._path))
        self.sock.settimeout(self._timeout_s)

"""An exchange ends at its deadline, whatever the other side sends and whenever."""

import _thread
import contextlib
import itertools
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import requests

from backend.errors import ImageError, ImageNotFound, LabelStudioError
from backend.label_studio.client import LabelStudio
from backend.timed_http import Deadline, TimedSession, look_up
from tests.support.dripper import Dripper
from tests.support.image_files import loader

FAR_TOO_LONG_S = 20.0  # of what sends for ever; ends that are in time take a fraction
OK = b"HTTP/1.1 200 OK\r\n"
DRIPS: dict[str, tuple[bytes, bytes]] = {  # what comes at once, then every 20 ms
    "silence": (b"", b""),
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "header": (OK + b"X-A: ", b"a"),
    "continues": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "headers": (OK, b"X-A: a\r\n"),
    "body": (OK + b"Content-Length: 1000000\r\n\r\n", b"a"),
    "body of no length": (OK + b"Connection: close\r\n\r\n", b"a"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "chunk line": (OK + b"Transfer-Encoding: chunked\r\n\r\n1", b";"),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"X-A: a\r\n"),
    "error text": (b"HTTP/1.1 500 No\r\nContent-Type: text/plain\r\n\r\n", b"a"),
}


class Watched:
    """Runs an action in a thread, so that one that never ends fails its test alone."""

    def __init__(self, action: Any) -> None:
        self.error: Exception | None = None
        self._action = action
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.thread.join(FAR_TOO_LONG_S)

    def _run(self) -> None:
        try:
            self._action()
        except Exception as error:
            self.error = error


@pytest.mark.parametrize("kind", DRIPS)
def test_an_image_that_drips_is_given_up_at_the_deadline(kind):
    server = Dripper(*DRIPS[kind])
    load = loader(allowed_hosts=("*",), timeout_s=0.4)
    ended = Watched(lambda: load(f"{server.url}/a.png"))
    assert not ended.thread.is_alive()
    assert isinstance(ended.error, ImageNotFound)
    assert "takes too long" in str(ended.error) or kind == "error text"


@pytest.mark.parametrize("kind", DRIPS)
def test_a_label_studio_that_drips_is_given_up_at_the_deadline(kind):
    server = Dripper(*DRIPS[kind])
    studio = LabelStudio(server.url, timeout_s=5, total_s=0.4)
    ended = Watched(lambda: studio.get_public_json("/api/version"))
    assert not ended.thread.is_alive()
    assert isinstance(ended.error, LabelStudioError)


def test_hops_share_one_deadline():
    hop = b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nX-A: "
    server = Dripper(hop, b"a")
    ended = Watched(lambda: loader(allowed_hosts=("*",), timeout_s=0.4)(f"{server.url}/a.png"))
    assert isinstance(ended.error, ImageNotFound)


def test_the_size_of_a_chunk_fills_no_memory():
    server = Dripper(DRIPS["chunk line"][0], b";" * (1 << 20), pause_s=0.0)
    ended = Watched(lambda: loader(allowed_hosts=("*",), timeout_s=10)(f"{server.url}/a.png"))
    assert isinstance(ended.error, ImageError)
    assert server.sent_bytes < 50 << 20  # what the buffers of two sockets took


def test_a_tls_handshake_that_drips_is_given_up(monkeypatch):
    # The head of a record of 16 kB, of which a byte comes now and then.
    server = Dripper(b"\x16\x03\x03\x40\x00", b"\x02")
    load = loader(allowed_hosts=("*",), timeout_s=0.4)
    ended = Watched(lambda: load(f"https://127.0.0.1:{server.port}/a.png"))
    assert isinstance(ended.error, ImageNotFound)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> str:
    """Path of a file with a certificate of 127.0.0.1, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    subprocess.run([*made, *name, *files], check=True, capture_output=True)
    joined = folder / "both.pem"
    joined.write_text((folder / "key").read_text() + (folder / "cert").read_text())
    return str(joined)


def test_a_body_that_drips_through_tls_is_given_up(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    plain = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with plain, context.wrap_socket(plain.accept()[0], server_side=True) as client:
            client.recv(65536)
            for piece in itertools.chain([DRIPS["body"][0]], itertools.repeat(b"a")):
                client.sendall(piece)
                time.sleep(0.02)

    threading.Thread(target=lambda: suppressed(serve), daemon=True).start()
    port, failed = plain.getsockname()[1], []

    def ask() -> None:
        with TimedSession() as session, Deadline(0.6) as deadline:
            try:
                session.get(f"https://127.0.0.1:{port}/", verify=certificate, timeout=10)
            except requests.RequestException:
                failed.append(deadline.is_over)

    assert not Watched(ask).thread.is_alive()
    assert failed == [True]


def suppressed(action: Any) -> None:
    with contextlib.suppress(OSError):
        action()


def test_a_resolver_that_does_not_answer_is_given_up(monkeypatch):
    asked = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: asked.wait(FAR_TOO_LONG_S))
    ended = Watched(lambda: loader(timeout_s=0.3)("http://slow.example/a.png"))
    asked.set()
    assert isinstance(ended.error, ImageNotFound)
    assert "takes too long" in str(ended.error)


def test_the_next_address_gets_its_turn_when_the_first_is_dead(monkeypatch, web_port):
    def both(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*stream, ("127.0.0.2", 1)), (*stream, ("127.0.0.1", web_port))]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with TimedSession() as session, Deadline(10):
        assert session.get("http://two.example/", timeout=10).content == b"here"


@pytest.fixture
def web_port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(pieces: Iterable[bytes] = (OK + b"Content-Length: 4\r\n\r\nhere",)) -> None:
        with listener.accept()[0] as client:
            client.recv(65536)
            for piece in pieces:
                client.sendall(piece)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def test_within_a_deadline_another_one_ends_no_later():
    with Deadline(0.2) as outer:
        with Deadline(100) as inner:
            assert inner.at_s == outer.at_s
        with Deadline(0.1) as inner:
            assert inner.at_s < outer.at_s


def test_a_name_that_is_none_is_an_error_of_the_network():
    with pytest.raises(OSError, match="no name of a host"):
        look_up("a" * 300 + ".example", 80, 5)


def test_a_deadline_without_an_exchange_needs_no_thread(monkeypatch):
    """As when there is no memory for one: an image in a data: URI is loaded within a deadline."""

    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    monkeypatch.setattr(threading, "_start_new_thread", refuse)
    with Deadline(60) as deadline:
        assert deadline.left_s > 0

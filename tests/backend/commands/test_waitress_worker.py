"""Clients that stall, idle or send nonsense keep nobody waiting; SIGTERM ends no answer early."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.commands.serve import GunicornServer
from backend.commands.waitress_channel import TimedChannel
from backend.settings import Settings
from tests.support.request_bodies import predict_body
from tests.support.running_service import RunningService

HEAD = b"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
STALLED = {
    "nothing": b"",
    "half a line": b"POST /pre",
    "half headers": HEAD,
    "half a body": HEAD + b"Content-Length: 100\r\n\r\n{",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    "half a prediction": HEAD.replace(b"webhook", b"predict") + b"Content-Length: 99\r\n\r\n{",
}


@contextlib.contextmanager
def connections(port: int, n: int, data: bytes) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        opened = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 60)) for _ in range(n)
        ]
        for one in opened:
            with contextlib.suppress(OSError):  # closed to make room
                one.sendall(data)
        yield opened


@pytest.mark.parametrize("data", STALLED.values(), ids=STALLED)
def test_stalled_clients_hold_no_thread(running: RunningService, data):
    with connections(running.port, 100, data):
        for path in ("/health", "/versions", "/metrics"):
            assert running.ask("GET", path).status_code == 200
        assert running.ask("POST", "/setup", json={"project": "1.1"}).status_code == 200


def test_idle_connections_make_room_for_new_ones(running: RunningService):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("this test may not open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    try:
        with connections(running.port, 2300, b""):
            assert running.ask("GET", "/health").status_code == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_sends_headers_too_slowly_is_hung_up_on(running: RunningService):
    with connections(running.port, 1, HEAD) as (one,):
        for _ in range(30):  # a byte now and then extends nothing
            time.sleep(0.5)
            try:
                one.sendall(b"X")
            except OSError:
                break
        assert one.recv(1) == b""


@pytest.mark.parametrize(
    ("since_s", "headers", "body_bytes", "is_late"),
    [(9, False, 0, False), (11, False, 0, True), (19, True, 0, False), (60, True, 1_000_000, False),
     (60, True, 700_000, True), (22, True, 0, True)],
)  # fmt: skip
def test_a_slow_link_may_take_its_time_for_a_body(since_s, headers, body_bytes, is_late):
    class Request:
        headers_finished, body_bytes_received = headers, body_bytes

    channel = TimedChannel.__new__(TimedChannel)
    channel.requests, channel.request, channel.partial_since_s = [], Request(), 0.0
    assert channel.is_late(float(since_s)) is is_late
    channel.requests = [Request()]  # while one is answered, nobody is late
    assert not channel.is_late(1e9)


@pytest.mark.parametrize("moved_s", [86400.0, -86400.0])
def test_a_clock_that_is_set_makes_no_client_late_and_lets_none_stay(moved_s):
    """A client that has sent for 5 s has done so, or less, when the clock is set."""

    class Request:
        headers_finished, body_bytes_received = False, 0

    channel = TimedChannel.__new__(TimedChannel)
    channel.requests, channel.request = [], Request()
    channel.creation_time = channel.last_activity = channel.partial_since_s = 1_000_000.0
    now_s = 1_000_005.0 + moved_s
    channel.follow_clock(moved_s, now_s)
    assert not channel.is_late(now_s + 1)
    assert channel.is_late(now_s + 11)


@pytest.mark.parametrize(("raw", "status"), [
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n", 400),
    (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    (HEAD + b"Content-Length: x\r\n\r\n", 400),
    (HEAD + b"Content-Length: -5\r\n\r\n", 400),
    (HEAD + b"X: " + b"x" * 70_000 + b"\r\n\r\n", 431),
    (HEAD + b"Content-Length: 999999999999\r\n\r\n", 413),
    (b"nonsense\r\n\r\n", 400),
])  # fmt: skip
def test_what_is_no_http_is_answered_with_a_sentence_in_json(running: RunningService, raw, status):
    answer = running.send(raw)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == str(status).encode()
    assert b"application/json" in head
    assert b'"message"' in body


def test_a_chunked_body_over_the_limit_is_413(start):
    service = start(MAX_BODY_MB="1")
    service.wait_until_ready()
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    raw = (
        HEAD
        + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        + chunk * 17
        + b"0\r\n\r\n"
    )
    assert service.send(raw).split()[1] == b"413"
    fits = (
        HEAD
        + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk * 15
        + b"0\r\n\r\n"
    )
    assert service.send(fits).split()[1] == b"400"  # of blanks alone


@pytest.mark.parametrize("name", [b"SCRIPT_NAME", b"Script-Name", b"PATH_INFO", b"REMOTE_USER"])
def test_headers_named_as_variables_change_nothing(running: RunningService, name):
    raw = (
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + name + b": /x\r\n\r\n"
    )
    assert running.send(raw).split()[1] == b"200"


def test_a_prediction_is_answered_though_the_server_was_told_to_stop(start, photo_uri):
    service = start()
    service.wait_until_ready()
    body = predict_body(*[photo_uri] * 20)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(service.ask, "POST", "/predict", json=body)
        while service.metric("firstpass_predict_requests") == 0 and not answer.done():
            time.sleep(0.01)
        service.process.terminate()
        assert len(answer.result(60).json()["results"]) == 20
    assert service.process.wait(60) == 0


def test_no_socket_is_shared_with_other_services_of_the_user():
    config = GunicornServer(Settings()).cfg
    assert config.settings.get("control_socket_disable") is None or config.control_socket_disable

"""The clock of the machine is moved, for the service and for its Redis."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running_service import RunningService
from tests.support.valkey_server import valkey_server

FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not FAKETIME, reason="needs libfaketime: apt-get install libfaketime"),
]


@pytest.fixture(scope="module")
def clock(tmp_path_factory) -> Path:
    """A file with the difference to the real time in seconds, read at each look at the clock."""
    file = tmp_path_factory.mktemp("clock") / "difference"
    file.write_text("+0")
    return file


@pytest.fixture(scope="module")
def moved(clock) -> dict[str, str]:
    """Variables of a process whose clock the file moves; monotonic clocks go on as they do."""
    return {
        "LD_PRELOAD": str(FAKETIME[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


@pytest.fixture(scope="module")
def redis_url(moved, tmp_path_factory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in moved.items():
            patch.setenv(name, value)
        starting = valkey_server(tmp_path_factory.mktemp("redis"), options={"appendonly": "yes"})
        server = starting.__enter__()
    yield server.url
    starting.__exit__(None, None, None)


@pytest.fixture(scope="module")
def service(serve, moved, redis_url) -> RunningService:
    return serve(REDIS_URL=redis_url, **moved)


@pytest.mark.parametrize("by", ["+86400", "-86400"], ids=["a day on", "a day back"])
def test_a_clock_that_is_moved_costs_no_answer_and_no_correction(
    service, redis_url, send_traffic, settle, clock, by
):
    traffic = send_traffic(service)
    traffic.go_on()
    for difference in (by, "+0"):
        clock.write_text(difference)
        traffic.go_on()
    settle(traffic, service, redis_url=redis_url)


@pytest.mark.parametrize("by", ["+86400", "-86400"], ids=["a day on", "a day back"])
def test_a_request_on_its_way_while_the_clock_is_moved_is_answered(service, clock, by):
    body = b'{"project": "9.900"}'
    head = f"POST /versions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), 300) as client:
        client.sendall(head.encode() + body[:5])
        assert service.ask("GET", "/health").ok  # so that the worker has these bytes
        for difference in (by, "+0", by):
            clock.write_text(difference)
            time.sleep(3)  # the worker looks at each second which clients are late
        client.sendall(body[5:])
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    clock.write_text("+0")
    assert answer.startswith(b"HTTP/1.1 200")

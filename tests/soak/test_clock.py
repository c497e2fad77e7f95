"""The clock of the machine is moved, for the service and for its Redis."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.running_service import RunningService
from tests.support.valkey_server import valkey_server

DAY_S = 86400

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler: apt-get install gcc"),
]


@dataclass(frozen=True)
class Clock:
    """Of processes that are started with `variables`; monotonic clocks go on as they do."""

    difference: Path
    variables: dict[str, str]

    def move(self, seconds: int) -> None:
        """Show the real time and so many seconds from now on."""
        fresh = self.difference.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self.difference)


@pytest.fixture(scope="module")
def clock(tmp_path_factory) -> Clock:
    folder = tmp_path_factory.mktemp("clock")
    library = folder / "moved_clock.so"
    source = Path(__file__).with_name("moved_clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    file = folder / "difference"
    clock = Clock(file, {"LD_PRELOAD": str(library), "MOVED_CLOCK": str(file)})
    clock.move(0)
    shown = [sys.executable, "-c", "import time; print(time.time())"]
    clock.move(DAY_S)
    found = subprocess.run(shown, env=clock.variables, capture_output=True, text=True, check=True)
    assert float(found.stdout) - time.time() > DAY_S / 2, "the clock does not move"
    clock.move(0)
    return clock


@pytest.fixture(scope="module")
def redis_url(clock, tmp_path_factory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in clock.variables.items():
            patch.setenv(name, value)
        starting = valkey_server(tmp_path_factory.mktemp("redis"), options={"appendonly": "yes"})
        server = starting.__enter__()
    yield server.url
    starting.__exit__(None, None, None)


@pytest.fixture(scope="module")
def service(serve, clock, redis_url) -> RunningService:
    return serve(REDIS_URL=redis_url, **clock.variables)


@pytest.mark.parametrize("by", [DAY_S, -DAY_S], ids=["a day on", "a day back"])
def test_a_clock_that_is_moved_costs_no_answer_and_no_correction(
    service, redis_url, send_traffic, settle, clock, by
):
    traffic = send_traffic(service)
    traffic.go_on()
    for difference in (by, 0):
        clock.move(difference)
        traffic.go_on()
    settle(traffic, service, redis_url=redis_url)


@pytest.mark.parametrize("by", [DAY_S, -DAY_S], ids=["a day on", "a day back"])
def test_a_request_on_its_way_while_the_clock_is_moved_is_answered(service, clock, by):
    body = b'{"project": "9.900"}'
    head = f"POST /versions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/json\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), 300) as client:
        client.sendall(head.encode() + body[:5])
        assert service.ask("GET", "/health").ok  # so that the worker has these bytes
        for difference in (by, 0, by):
            clock.move(difference)
            time.sleep(3)  # the worker looks at each second which clients are late
        client.sendall(body[5:])
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    clock.move(0)
    assert answer.startswith(b"HTTP/1.1 200")

"""A Redis that is killed, hangs, is full, is emptied, takes no writes, or has another password."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.support.running_service import RunningService, free_port
from tests.support.traffic import Ledger, Traffic
from tests.support.valkey_server import valkey_server

pytestmark = pytest.mark.soak


class Redis:
    """A server that can be ended and started again on its port, with its data."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder, self._running = folder, contextlib.ExitStack()
        self.start()

    def start(self) -> None:
        durable = {"appendonly": "yes"}
        self.server = self._running.enter_context(valkey_server(self._folder, self.port, durable))

    def send(self, number: signal.Signals) -> None:
        os.kill(self.server.process.pid, number)

    def end(self) -> None:
        self._running.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.end()


@pytest.fixture(scope="module")
def service(serve, server) -> RunningService:
    return serve(REDIS_URL=server.server.url)


@pytest.fixture
def admin(server) -> Iterator[redis.Redis]:
    with redis.Redis(port=server.port) as client:
        yield client


@pytest.fixture
def traffic(service, send_traffic) -> Traffic:
    """On its way."""
    traffic = send_traffic(service)
    traffic.go_on()
    return traffic


@pytest.fixture
def recover(service, server, traffic, settle) -> Callable[..., Ledger]:
    """Go on until the service is whole, and settle."""

    def recover(**expected: int) -> Ledger:
        service.wait_until_store_is_whole()
        traffic.go_on()
        return settle(traffic, service, redis_url=server.server.url, **expected)

    return recover


def test_a_killed_redis_costs_no_answer_and_no_correction(service, server, traffic, recover):
    server.send(signal.SIGKILL)
    service.wait_until_said("cannot be reached")
    traffic.go_on()
    server.start()
    recover()


def test_a_redis_that_hangs_costs_no_answer_and_no_correction(service, server, traffic, recover):
    server.send(signal.SIGSTOP)
    try:
        service.wait_until_said("too slow to use or hangs")
        traffic.go_on()
    finally:
        server.send(signal.SIGCONT)
    recover()


def test_a_full_redis_costs_no_answer_and_no_correction(service, admin, traffic, recover):
    admin.config_set("maxmemory", "1")
    service.wait_until_said("refuses to queue a correction")
    traffic.go_on()
    admin.config_set("maxmemory", "0")
    recover()


def test_an_emptied_redis_costs_no_answer_and_what_comes_later_is_learned(
    service, admin, traffic, recover
):
    before = len(traffic.ledger.acknowledged) + 1  # and one on its way
    admin.flushall()
    traffic.go_on(10)
    ledger = recover(lost=before)
    assert len(ledger.acknowledged) > before


def test_a_redis_that_takes_no_writes_costs_no_answer_and_no_correction(
    service, admin, traffic, recover
):
    """A replica, as after a failover that clients have not noticed."""
    admin.replicaof("127.0.0.1", str(free_port()))
    service.wait_until_said("refuses to queue a correction")
    traffic.go_on()
    admin.replicaof("NO", "ONE")
    recover()


def test_a_redis_with_another_password_costs_no_answer_and_no_correction(
    service, admin, traffic, recover
):
    admin.config_set("requirepass", "another")
    admin.client_kill_filter(_type="normal", skipme=True)
    service.wait_until_said("refuses the login")
    traffic.go_on()
    admin.config_set("requirepass", "")
    recover()

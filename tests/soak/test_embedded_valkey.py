"""The embedded Valkey is killed, stands still, or is shut down under the service."""

import os
import signal

import pytest
import redis

from tests.support.running_service import RunningService

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def service(serve) -> RunningService:
    return serve()


def pid_of_valkey(service: RunningService) -> int:
    """Asked by a client that is no user of it, which would start it again."""
    socket_path = (service.log.parent / "data/valkey/address").read_text()
    with redis.Redis(unix_socket_path=socket_path) as client:
        return int(client.info("server")["process_id"])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "shut down"])
def test_an_embedded_valkey_that_ends_is_started_again_with_all_it_had(
    service, send_traffic, settle, number
):
    traffic = send_traffic(service)
    traffic.go_on()
    pid = pid_of_valkey(service)
    os.kill(pid, number)
    traffic.go_on()
    service.wait_until_store_is_whole()
    traffic.go_on()
    assert pid_of_valkey(service) != pid
    settle(traffic, service)


def test_an_embedded_valkey_that_stands_still_costs_no_answer_and_no_correction(
    service, send_traffic, settle
):
    traffic = send_traffic(service)
    traffic.go_on()
    pid = pid_of_valkey(service)
    os.kill(pid, signal.SIGSTOP)
    try:
        service.wait_until_said("too slow to use or hangs")
        traffic.go_on()
    finally:
        os.kill(pid, signal.SIGCONT)
    service.wait_until_store_is_whole()
    traffic.go_on()
    settle(traffic, service)

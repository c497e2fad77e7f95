"""Workers and services that are killed."""

import os
import signal
from functools import partial

import pytest

from tests.support.running_service import RunningService
from tests.support.waiting import wait_until

pytestmark = pytest.mark.soak


def has_another_worker(service: RunningService, than: int) -> bool:
    return service.worker_pids() not in ([], [than])


def test_a_killed_worker_is_replaced_and_loses_no_correction_it_had_taken(
    serve, send_traffic, settle
):
    """Requests that it was answering end with it, once a client: nobody could answer them."""
    service = serve()
    traffic = send_traffic(service)
    traffic.go_on()
    for _ in range(2):
        (worker,) = service.worker_pids()
        os.kill(worker, signal.SIGKILL)
        wait_until(partial(has_another_worker, service, worker))
        service.wait_until_ready()
        traffic.go_on()
    settle(traffic, service, unanswered=2 * traffic.n_clients)


def test_a_service_that_is_killed_and_started_again_has_lost_no_correction_it_had_taken(
    serve, send_traffic, settle
):
    first = serve()
    traffic = send_traffic(first)
    traffic.go_on()
    first.kill()
    ledger = traffic.stop()
    assert ledger.faults == []
    data = first.log.parent / "data"
    second = serve(DATA_DIR=str(data))
    settle(traffic, second, data_dir=data, unanswered=ledger.unanswered.total())

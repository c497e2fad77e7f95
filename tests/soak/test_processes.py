"""Workers that are killed, and a model that finds no memory."""

import contextlib
import os
import resource
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.support.running_service import RunningService
from tests.support.waiting import wait_until

pytestmark = pytest.mark.soak


@contextlib.contextmanager
def memory_left(pid: int, n_bytes: int) -> Iterator[None]:
    """Inside the block a process gets so many bytes more of address space, or loses them.

    With fewer than none it can map nothing until it has given back more than that.
    """
    in_use_pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    limit_bytes = in_use_pages * resource.getpagesize() + n_bytes
    before = resource.prlimit(pid, resource.RLIMIT_AS, (limit_bytes, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_AS, before)


def has_another_worker(service: RunningService, than: int) -> bool:
    return service.worker_pids() not in ([], [than])


@pytest.fixture
def large_uris(png_uri) -> list[str]:
    """Photos of 640 x 480 pixels, whose arrays are mapped one by one."""
    colors = np.random.default_rng(0).integers(0, 255, (2, 6, 8, 3), dtype=np.uint8)
    return [png_uri(image.repeat(80, axis=0).repeat(80, axis=1)) for image in colors]


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


def test_a_model_without_memory_fails_its_tasks_with_the_reason_and_goes_on_when_there_is_some(
    serve, send_traffic, settle, large_uris
):
    """Real allocations of the process fail, whatever thread makes them."""
    service = serve(FEATURE_CACHE_MB="0")
    traffic = send_traffic(service, predicted=large_uris)
    traffic.go_on()
    (worker,) = service.worker_pids()
    with memory_left(worker, -(2**26)):
        traffic.go_on()
    traffic.go_on()
    ledger = settle(traffic, service)
    assert set(ledger.failed_tasks) == {"out_of_memory"}

"""A service under traffic, what it was promised to do, and the table of all faults at the end."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from backend.memory.lesson_store import LessonStore
from backend.store.store import Store
from tests.support.running_service import RunningService, start_service
from tests.support.stores import store_in
from tests.support.traffic import Ledger, Traffic, learning_project
from tests.support.waiting import wait_until

ROWS = pytest.StashKey[list[str]]()
LEARNED_WITHIN_S = 300.0  # an event that was in work when its worker died comes again after 60 s


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if rows := config.stash[ROWS]:
        terminalreporter.write_line(
            "\n| fault | asked | answered | 503 | tasks failed | corrections taken | learned |"
        )
        terminalreporter.write_line("|---|---|---|---|---|---|---|")
        for row in rows:
            terminalreporter.write_line(row)


@pytest.fixture(scope="module")
def serve(tiny_checkpoint, tmp_path_factory) -> Iterator[Callable[..., RunningService]]:
    """Start a service with these variables, ready; it runs until the tests of the file are done."""
    started: list[RunningService] = []

    def serve(**environment: str) -> RunningService:
        folder = tmp_path_factory.mktemp("service")
        # Without a refiner, which takes most of the time: what is tested is the way, not the masks.
        environment = {"LEARN_EVERY": "1", "REFINER": "none", **environment}
        started.append(start_service(folder, tiny_checkpoint, **environment))
        started[-1].wait_until_ready()
        return started[-1]

    yield serve
    for running in started:
        running.process.terminate()
    for running in started:
        running.process.wait(120)


@pytest.fixture
def uris(png_uri) -> list[str]:
    """Photos of 64 x 48 pixels, each of other colors."""
    colors = np.random.default_rng(0).integers(0, 255, (2, 6, 8, 3), dtype=np.uint8)
    return [png_uri(image.repeat(8, axis=0).repeat(8, axis=1)) for image in colors]


@pytest.fixture
def send_traffic(uris) -> Iterator[Callable[..., Traffic]]:
    """Begin to ask services; it ends with the test at the latest."""
    begun: list[Traffic] = []

    def send_traffic(
        *services: RunningService, predicted: list[str] = uris, taught: list[str] = uris
    ) -> Traffic:
        begun.append(Traffic(services, predicted, taught))
        return begun[-1]

    yield send_traffic
    for traffic in begun:
        traffic.stop()


@pytest.fixture
def settle(request) -> Callable[..., Ledger]:
    """End the traffic and hold the service to its promises; a row of the table.

    Every request was answered, none wrongly, 5xx only deliberately; what was answered 201 is
    learned, by the Redis at `redis_url` or the embedded server of `data_dir`, but for `lost` of it;
    and the service is whole again. `unanswered`: requests that ended with a killed process.
    """

    def settle(
        traffic: Traffic,
        *services: RunningService,
        redis_url: str | None = None,
        data_dir: Path | None = None,
        unanswered: int = 0,
        lost: int = 0,
    ) -> Ledger:
        ledger = traffic.stop()
        assert ledger.faults == []
        assert ledger.unanswered.total() <= unanswered, ledger.unanswered
        data_dir = data_dir or services[0].log.parent / "data"
        with store_in(data_dir, url=redis_url) as store:
            n_learned = wait_until_learned(store, ledger, len(ledger.acknowledged) - lost)
        for service in services:
            service.wait_until_ready()
            ready = service.ask("GET", "/ready").json()
            assert ready["store"]["up"]
            assert ready["store"]["degraded"] is None
            assert ready["set_aside"] == []
            assert "Traceback" not in service.log.read_text()
        n_sent = ledger.sent.total()
        request.config.stash[ROWS].append(
            f"| {claim_of(request.node.name)} | {n_sent} | {n_sent - ledger.unanswered.total()} "
            f"| {ledger.n_of_status(503)} | {ledger.failed_tasks.total()} "
            f"| {len(ledger.acknowledged)} | {n_learned} |"
        )
        return ledger

    return settle


def claim_of(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


def wait_until_learned(store: Store, ledger: Ledger, n_needed: int) -> int:
    """The number of acknowledged annotations with lessons, once there are enough."""
    lessons = LessonStore(store, 1)

    def n_learned() -> int:
        found = 0
        for project in {learning_project(number)[0] for number in ledger.acknowledged}:
            rows = lessons.index(project).annotations
            found += sum(
                bool(str(number) in rows and rows[str(number)].lessons)
                for number in ledger.acknowledged
                if learning_project(number)[0] == project
            )
        return found

    wait_until(lambda: n_learned() >= n_needed, LEARNED_WITHIN_S)
    return n_learned()

"""Clients that ask a service all the time, as Label Studio does, and count the answers."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import requests

from tests.support.annotations import CONFIG, rectangle
from tests.support.request_bodies import click, predict_body
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until

EXTRA_PARAMS = {"auto_negatives": False, "min_region_px": 1, "min_score": 0.0}
PREDICTED = "9.900"  # this project learns nothing, so that its answers are always the same
PER_PROJECT = 200  # annotations: fewer than a project keeps
NUMBERS = itertools.count(1)  # of annotations, in all tests that share a store
PAUSE_S = {"webhook": 1.0}  # between two requests of a client: learning takes much of the CPU
OTHER_PAUSE_S = 0.3
CLIENT_TIMEOUT_S = 300.0  # a worker that is replaced on a busy machine takes a minute to import

Body = Mapping[str, Any]


@dataclass
class Ledger:
    """What was asked and answered. `faults`: answers that no client should get, in words."""

    sent: Counter[str] = field(default_factory=Counter)  # by kind
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)  # by kind and status
    unanswered: Counter[str] = field(default_factory=Counter)  # by kind
    failed_tasks: Counter[str] = field(default_factory=Counter)  # by code
    refusals: Counter[str] = field(default_factory=Counter)  # reasons of 503
    acknowledged: list[int] = field(default_factory=list)  # annotations answered 201
    faults: list[str] = field(default_factory=list)

    def n_answered(self, kind: str) -> int:
        return sum(n for (one, _), n in self.answered.items() if one == kind)

    def n_of_status(self, status: int) -> int:
        return sum(n for (_, one), n in self.answered.items() if one == status)


class Traffic:
    """One client a kind of request, all asking the services in turn.

    Its tasks must be answered as they were when all was quiet, or fail with a reason; any answer
    of the class 5xx must be a 503 that says why and when to ask again.
    """

    def __init__(
        self, services: Sequence[RunningService], uris: Sequence[str], taught_uris: Sequence[str]
    ) -> None:
        """`uris`: photos to predict; `taught_uris`: of 64 x 48 pixels, to annotate."""
        self.ledger = Ledger()
        self._services = list(services)
        self._taught_uris = taught_uris
        self._turns = itertools.count()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._questions = questions(uris)
        for service in services:
            assert service.ask("POST", "/setup", json=setup_body(PREDICTED)).ok
        self._quiet = {
            kind: services[0].ask("POST", "/predict", json=body).json()["results"]
            for kind, body in self._questions.items()
        }
        for kind, items in self._quiet.items():
            assert all(item.get("result") for item in items), f"nothing to compare {kind} with"
        asks: list[Callable[[], object]] = [
            *(partial(self._predict, kind) for kind in self._questions),
            self._annotate,
            partial(self._ask, "health", "GET", "/health"),
            partial(self._ask, "ready", "GET", "/ready"),
            partial(self._ask, "setup", "POST", "/setup", setup_body(PREDICTED)),
        ]
        self._threads = [threading.Thread(target=self._go, args=(ask,)) for ask in asks]
        for thread in self._threads:
            thread.start()

    @property
    def n_clients(self) -> int:
        return len(self._threads)

    @property
    def kinds(self) -> set[str]:
        return {"webhook", "health", "ready", "setup"} | set(self._questions)

    def go_on(self, n: int = 2) -> None:
        """Return when n more requests of every kind have been sent and have had their end."""
        before = {kind: self._n_ended(kind) for kind in self.kinds}
        wait_until(lambda: all(self._n_ended(kind) >= n + before[kind] for kind in self.kinds), 300)

    def turn_away_from(self, service: RunningService) -> None:
        """Ask the other services alone from now on, as a load balancer does."""
        with self._lock:
            self._services.remove(service)

    def stop(self) -> Ledger:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for kind, n in self.ledger.sent.items():
            assert n == self._n_ended(kind), f"{kind}: {n} sent"
        return self.ledger

    def _n_ended(self, kind: str) -> int:
        with self._lock:
            return self.ledger.n_answered(kind) + self.ledger.unanswered[kind]

    def _go(self, ask: Callable[[], object]) -> None:
        while not self._stopping.is_set():
            ask()

    def _predict(self, kind: str) -> None:
        response = self._ask(kind, "POST", "/predict", self._questions[kind])
        if response is None or not response.ok:
            return
        items = response.json()["results"]
        with self._lock:
            if len(items) != len(self._quiet[kind]):
                self.ledger.faults.append(f"{kind}: {len(items)} items")
            for item, quiet in zip(items, self._quiet[kind], strict=False):
                if "error" in item:
                    self.ledger.failed_tasks[item["error"]["code"]] += 1
                    if "result" in item or not item["error"]["message"]:
                        self.ledger.faults.append(f"{kind}: {item}")
                elif item != quiet:
                    self.ledger.faults.append(
                        f"{kind}: another answer, version {item['model_version']} for "
                        f"{quiet['model_version']}"
                    )

    def _annotate(self) -> None:
        number = next(NUMBERS)
        event = annotated(number, self._taught_uris[number % len(self._taught_uris)])
        response = self._ask("webhook", "POST", "/webhook", event)
        if response is not None and response.status_code == 201:
            with self._lock:
                self.ledger.acknowledged.append(number)

    def _ask(
        self, kind: str, method: str, path: str, body: Body | None = None
    ) -> requests.Response | None:
        """The answer, counted; None if there was none."""
        with self._lock:
            self.ledger.sent[kind] += 1
            service = self._services[next(self._turns) % len(self._services)]
        response = None
        try:
            response = requests.request(
                method, service.url + path, json=body, timeout=CLIENT_TIMEOUT_S
            )
        except requests.RequestException:
            with self._lock:
                self.ledger.unanswered[kind] += 1
        else:
            with self._lock:
                self._count(kind, response)
        time.sleep(PAUSE_S.get(kind, OTHER_PAUSE_S))
        return response

    def _count(self, kind: str, response: requests.Response) -> None:
        self.ledger.answered[kind, response.status_code] += 1
        if response.status_code == 503:
            said = response.json()
            # /ready of a service that is loading is no refusal, but the state that was asked for.
            reason = said.get("message") or (kind == "ready" and said.get("status"))
            self.ledger.refusals[f"{kind}: {reason}"] += 1
            if not reason or (kind != "ready" and "Retry-After" not in response.headers):
                self.ledger.faults.append(f"{kind}: 503 without a reason or a time to ask again")
        elif response.status_code not in (200, 201):
            self.ledger.faults.append(f"{kind}: {response.status_code} {response.text[:200]}")


def questions(uris: Sequence[str]) -> dict[str, Body]:
    """Bodies of /predict, by kind."""
    asked: dict[str, Body] = {"batch": predict_body(*uris)}
    asked["predict"] = predict_body(uris[0])
    asked["click"] = predict_body(uris[0], context={"result": [click(40, 40)]})
    return {name: {**body, "project": PREDICTED} for name, body in asked.items()}


def setup_body(project: str) -> Body:
    return {"project": project, "schema": CONFIG, "extra_params": EXTRA_PARAMS}


def learning_project(annotation: int) -> tuple[str, dict[str, Any]]:
    """The key of an annotation's project, and the project as webhooks describe it."""
    number = 100 + annotation // PER_PROJECT
    return f"{number}.100", {
        "id": number,
        "created_at": "1970-01-01T00:01:40.500000Z",
        "label_config": CONFIG,
    }


def annotated(number: int, uri: str) -> dict[str, Any]:
    """An annotation that says the whole photo is a dog, by a rectangle."""
    one = {"id": number, "result": [rectangle()], "updated_at": "2026-01-01T00:00:00Z"}
    task = {"id": number, "data": {"image": uri}}
    _, project = learning_project(number)
    return {"action": "ANNOTATION_CREATED", "project": project, "annotation": one, "task": task}

"""What one process has in its background the others know, and take over after a kill."""

import base64
import os
import signal
import time
from dataclasses import replace
from functools import partial

import pytest

from backend.label_studio.project_settings import ProjectSettings
from backend.prelabeling.run_lock import RunLock
from backend.store.keys import prelabel_lock_key
from tests.support.fake_label_studio import LEGACY, Reply
from tests.support.fake_project import KEY, NUMBER
from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.stores import store_in
from tests.support.taken_model import take_model
from tests.support.waiting import wait_until

SETTINGS = ProjectSettings(auto_negatives=False, prob_threshold=0.0, area_threshold=0.0)
N_TASKS = 16


@pytest.fixture
def n_tasks():
    return N_TASKS


@pytest.fixture
def services(make_service, server, project):
    """Two that share a store, as two workers or replicas do."""
    made = [
        make_service(label_studio_url=server.url, label_studio_api_key=LEGACY) for _ in range(2)
    ]
    made[0].projects.save(KEY, SETTINGS)
    yield made
    for one in made:
        assert one.background.stop(60)


@pytest.fixture
def left_taken(services):
    """Nothing of the left one is segmented until `release` is called."""
    release = take_model(services[0])
    yield release
    release()


def ask(service, project, task_ids, *, budget_s=-1.0):
    """What a /predict is answered; by default it comes to no task."""
    annotator = replace(service.annotator, budget_s=budget_s)
    tasks = [project.tasks[n] for n in task_ids]
    return annotator.predict(tasks, CAT_DOG_CONFIG, SETTINGS, project_id=KEY)


def codes(items):
    return {item["error"]["code"] if "error" in item else "" for item in items}


def test_tasks_of_anothers_background_are_not_predicted_twice(services, project, left_taken):
    left, right = services
    ask(left, project, [1, 2, 3])
    assert codes(ask(right, project, [1, 2, 3], budget_s=60)) == {"in_background"}
    assert right.background.rows() == [{"project": KEY, "tasks": 3, "done": 0, "failed": 0}]
    assert right.background.n_left() == 0  # of its own, or the sum would count them twice
    left_taken()
    wait_until(lambda: not left.background.rows(), 300)
    wait_until(lambda: not right.background.rows())
    wait_until(lambda: not right.background.is_at_work_on(KEY, 1))
    assert [len(project.versions(n)) for n in range(1, 5)] == [1, 1, 1, 0]


def test_late_tasks_are_handed_to_whoever_has_the_project(services, project, left_taken):
    left, right = services
    ask(left, project, [1, 2])
    assert codes(ask(right, project, [2, 3, 4])) == {"in_background"}
    wait_until(lambda: right.background.rows()[0]["tasks"] == 4)
    left_taken()
    wait_until(lambda: not left.background.rows(), 300)
    assert [len(project.versions(n)) for n in range(1, 6)] == [1, 1, 1, 1, 0]


def test_a_run_of_prelabel_takes_no_tasks_of_requests(services, project):
    lock = RunLock(services[0].store, KEY)
    assert lock.try_acquire()
    assert codes(ask(services[1], project, [1, 2])) == {"overloaded"}
    lock.release()


def test_what_fails_elsewhere_can_be_asked_for_again(services, project):
    left, right = services
    project.tasks[2]["data"]["image"] = "data:image/png;base64,AAAA"
    release = take_model(left)
    ask(left, project, [1, 2])
    wait_until(lambda: right.background.is_at_work_on(KEY, 1))
    wait_until(lambda: not right.background.is_at_work_on(KEY, 2), 300)
    release()
    wait_until(lambda: not left.background.rows(), 300)


def slowly(png: bytes, _asked: object) -> Reply:
    time.sleep(1)
    return Reply(png)


def test_the_run_of_a_killed_worker_is_taken_over_by_another(start, server, project):
    """Every task has one prediction in the end, though nobody asked for any of them again."""
    for task_id, task in project.tasks.items():
        png = base64.b64decode(task["data"]["image"].partition(",")[2])
        task["data"]["image"] = f"/data/upload/{NUMBER}/{task_id}.png"
        server.pages[task["data"]["image"]] = partial(slowly, png)
    service = start(
        LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=LEGACY, PREDICT_BUDGET_S="1", WORKERS="2"
    )
    service.wait_until_ready()
    wait_until(lambda: service.ask("GET", "/ready").json()["workers"]["ready"] == 2, 300)
    body = {
        "tasks": list(project.tasks.values()), "project": KEY, "label_config": CAT_DOG_CONFIG,
        "params": {},
    }  # fmt: skip
    items = service.ask("POST", "/predict", json=body).json()["results"]
    assert "in_background" in codes(items)
    wait_until(lambda: project.predictions, 120)
    with store_in(service.log.parent / "data") as store:
        (holder,) = store.get_many([prelabel_lock_key(KEY)])
    assert holder is not None
    os.kill(int(holder.split()[1]), signal.SIGKILL)
    assert len(project.predictions) < N_TASKS - 2
    late = [task["id"] for task, item in zip(body["tasks"], items, strict=True) if "error" in item]
    wait_until(lambda: all(project.versions(n) for n in late), 300)
    wait_until(lambda: not service.ask("GET", "/ready").json()["background"])
    assert {len(project.versions(n)) for n in late} == {1}
    assert "goes on in the background after a crash" in service.log.read_text()
    assert "Traceback" not in service.log.read_text()

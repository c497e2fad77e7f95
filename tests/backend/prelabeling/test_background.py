"""What /predict does not reach in its time goes on, once, behind what people wait for."""

import contextlib
import signal
import socketserver
import time
from dataclasses import replace
from functools import partial

import pytest

from backend.label_studio.project_settings import ProjectSettings
from backend.plain_thread import PlainThread
from backend.prelabeling import background
from backend.prelabeling.run_lock import RunLock
from tests.support.fake_label_studio import LEGACY, as_json
from tests.support.fake_project import KEY, NUMBER
from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.scarce_threads import THREADING, let_threads_end
from tests.support.taken_model import take_model
from tests.support.waiting import wait_until

PROJECT_PAGE = f"/api/projects/{NUMBER}/"
SETTINGS = ProjectSettings(auto_negatives=False, prob_threshold=0.0, area_threshold=0.0)
N_TASKS = 16


@pytest.fixture
def n_tasks():
    return N_TASKS


@pytest.fixture
def connected(make_service, server, project):
    """A service that may store predictions in project 12."""
    service = make_service(label_studio_url=server.url, label_studio_api_key=LEGACY)
    service.projects.save(KEY, SETTINGS)
    yield service
    assert service.background.stop(60)


def ask(service, project, *, budget_s=-1.0, task_ids=None):
    """What a /predict for tasks is answered; by default it comes to none of them."""
    tasks = [project.tasks[n] for n in task_ids or project.tasks]
    annotator = replace(service.annotator, budget_s=budget_s)
    return annotator.predict(tasks, CAT_DOG_CONFIG, SETTINGS, project_id=KEY)


def codes(items):
    return {item["error"]["code"] if "error" in item else "" for item in items}


@contextlib.contextmanager
def model_taken(service):
    """Nothing is segmented meanwhile."""
    release = take_model(service)
    try:
        yield
    finally:
        release()


def test_late_tasks_are_predicted_and_stored_once_each(connected, project):
    items = ask(connected, project)
    assert codes(items) == {"in_background"}
    said = items[0]["error"]["message"]
    assert said.startswith("0 of 16 tasks done; 16 continue in the background")
    wait_until(lambda: not connected.background.rows(), 300)
    version = items[0]["model_version"]
    assert project.all_versions() == {task_id: [version] for task_id in project.tasks}
    assert connected.failures.as_json() == []


def test_tasks_on_their_way_are_not_predicted_by_a_further_request(connected, project):
    with model_taken(connected):
        ask(connected, project, task_ids=[1, 2, 3])
        again = ask(connected, project, budget_s=60, task_ids=[1, 2, 3])  # it waits for no slot
        assert codes(again) == {"in_background"}
        assert not any(connected.background.is_at_work_on(KEY, odd) for odd in ([1], "1", None))
        ask(connected, project, task_ids=[3, 4, 5])  # of which one is known to it
        assert connected.background.rows() == [{"project": KEY, "tasks": 5, "done": 0, "failed": 0}]
        assert b"firstpass_background_tasks 5.0" in connected.metrics.exposition()
    wait_until(lambda: not connected.background.rows(), 300)
    assert [len(project.versions(n)) for n in range(1, 7)] == [1, 1, 1, 1, 1, 0]


def test_a_person_who_opens_a_task_does_not_wait_for_the_background(connected, project):
    connected.background.take(KEY, list(project.tasks))
    (item,) = ask(connected, project, budget_s=60, task_ids=[N_TASKS])
    assert "result" in item


def test_a_task_that_got_a_prediction_meanwhile_gets_no_second_one(connected, project):
    with model_taken(connected):
        (version,) = {item["model_version"] for item in ask(connected, project, task_ids=[1, 2])}
        project.predictions.append({"task": 2, "model_version": version, "result": []})
    wait_until(lambda: not connected.background.rows(), 300)
    assert project.versions(1) == project.versions(2) == [version]


def test_what_fails_in_the_background_is_named_and_can_be_asked_again(connected, project):
    project.tasks[2]["data"]["image"] = "data:image/png;base64,AAAA"
    with model_taken(connected):
        ask(connected, project, task_ids=[1, 2])
        wait_until(lambda: connected.failures.as_json(), 300)
    wait_until(lambda: not connected.background.rows(), 300)
    (failure,) = connected.failures.as_json()
    assert (failure["code"], failure["task"]) == ("image_broken", 2)
    assert codes(ask(connected, project, budget_s=60, task_ids=[2, 2])) == {"image_broken"}


def test_pixels_and_config_are_those_of_label_studio_whoever_asks(connected, project, photo_uri):
    """A request that names other images for a task must not store what is seen there."""
    project.described["label_config"] = CAT_DOG_CONFIG.replace("Dog", "Cow")
    forged = [{"id": n, "data": {"image": photo_uri}} for n in (1, 2)]
    late = replace(connected.annotator, budget_s=-1.0)
    late.predict(forged, CAT_DOG_CONFIG, SETTINGS, project_id=KEY)
    wait_until(lambda: len(project.predictions) == 2, 300)
    regions = [one for stored in project.predictions for one in stored["result"]]
    assert {one["original_width"] for one in regions} <= {40}
    assert "Dog" not in {one["value"]["brushlabels"][0] for one in regions}


@pytest.mark.parametrize(
    "obstacle", ["no token", "refused", "another project", "no project", "a run", "no id"]
)
def test_without_a_way_to_store_them_tasks_are_asked_for_again(
    make_service, server, project, obstacle
):
    key = {"no token": "", "refused": "f" * 40}.get(obstacle, LEGACY)
    service = make_service(label_studio_url=server.url, label_studio_api_key=key)
    lock = RunLock(service.store, KEY)
    if obstacle == "another project":
        created_at = {"created_at": "1970-01-01T00:05:00Z"}
        server.pages[PROJECT_PAGE] = as_json(project.described | created_at)
    elif obstacle == "no project":
        server.pages[PROJECT_PAGE] = as_json([])
    elif obstacle == "a run":
        assert lock.try_acquire()
    elif obstacle == "no id":
        project.tasks[1]["id"] = "1"
    items = ask(service, project)
    assert codes(items) == {"overloaded"}
    assert "choose Retrieve Predictions again" in items[0]["error"]["message"]
    assert service.background.rows() == []
    if obstacle == "a run":
        lock.release()


def test_a_stop_stores_what_was_made_and_says_what_was_not(connected, project, caplog):
    ask(connected, project)
    wait_until(
        lambda: connected.background.annotator.metrics.tasks.labels("painted")._value.get(), 300
    )
    connected.background.begin_to_stop()
    assert connected.background.stop(60)
    n_stored = len(project.predictions)
    assert 0 < n_stored < N_TASKS
    assert f"{N_TASKS - n_stored} of {N_TASKS} tasks in the background are not done" in caplog.text
    lock = RunLock(connected.store, KEY)
    assert lock.try_acquire()  # which is free again
    lock.release()
    assert codes(ask(connected, project)) == {"overloaded"}  # and nothing begins any more


def test_without_memory_for_a_thread_the_tasks_are_asked_for_again(connected, project, monkeypatch):
    def start_none(*_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(background, "PlainThread", start_none)
        assert codes(ask(connected, project)) == {"overloaded"}
    assert codes(ask(connected, project)) == {"in_background"}  # nothing is in its way
    wait_until(lambda: len(project.predictions) == N_TASKS)


def answer_by_plain_thread(server, request, address):
    PlainThread(partial(server.process_request_thread, request, address))


def test_a_run_ends_whose_other_threads_found_no_memory(connected, project, monkeypatch):
    """It would have its project for ever: each of them is one that a run waits for."""
    # Label Studio, of this process here, has its threads.
    monkeypatch.setattr(socketserver.ThreadingMixIn, "process_request", answer_by_plain_thread)
    with monkeypatch.context() as patch:
        let_threads_end(patch, THREADING)
        assert codes(ask(connected, project)) == {"in_background"}
        wait_until(lambda: not connected.background.rows(), 300)
    assert len(project.predictions) == N_TASKS
    lock = RunLock(connected.store, KEY)
    wait_until(lock.try_acquire)
    lock.release()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
def test_a_service_that_is_stopped_ends_its_background_in_order(start, server, project, number):
    def slowly(_asked):
        time.sleep(1)  # as long as the budget: six at once come to six of them
        return as_json({"detail": "not there"}, 404)

    for task_id, task in project.tasks.items():
        task["data"]["image"] = f"/data/upload/{NUMBER}/{task_id}.png"
        server.pages[task["data"]["image"]] = slowly
    service = start(LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=LEGACY, PREDICT_BUDGET_S="1")
    service.wait_until_ready()
    body = {
        "tasks": list(project.tasks.values()), "project": KEY, "label_config": CAT_DOG_CONFIG,
        "params": {},
    }  # fmt: skip
    items = service.ask("POST", "/predict", json=body).json()["results"]
    assert "in_background" in codes(items)
    (row,) = service.ask("GET", "/ready").json()["background"]
    assert row["project"] == KEY
    service.process.send_signal(number)
    assert service.process.wait(120) == 0
    said = service.log.read_text()
    assert "tasks in the background are not done" in said
    assert "Traceback" not in said

"""From events to memory: every shape of event, any order, with processes killed in between."""

import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import ImageNotFound, StoreError
from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.learning.event_queue import EventQueue, QueueConfig
from backend.learning.worker import LearningWorker
from backend.masks.regions import encode_regions
from backend.service import Service
from backend.store.servers import ServerConfig
from backend.store.store import StoreConfig, open_store
from tests.support.counting import counted

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "tests" / "fixtures" / "label_studio_1.23"
CONFIG = """<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">
<Label value="Cat" alias="c"/><Label value="Dog"/></BrushLabels></View>"""
PROJECT = {"id": 1, "created_at": "1970-01-01T00:01:40.5Z", "label_config": CONFIG}
KEY = "1.100"
EVERY_PIXEL = ProjectSettings(auto_negatives=False, min_region_px=1)
AT_ONCE = QueueConfig(claim_after_s=0.0)


@pytest.fixture
def own_store(tmp_path):
    server = ServerConfig(connect_timeout_s=30, read_timeout_s=30)
    store = open_store(None, tmp_path, StoreConfig(server=server))
    yield store
    store.close()


@pytest.fixture
def service(settings, tiny_segmenter, own_store, tmp_path) -> Service:
    """One with a store of its own, whose worker's thread is not started."""
    service = Service(settings.model_copy(update={"data_dir": tmp_path}))
    service.store, service.segmenter = own_store, tiny_segmenter
    service.events = EventQueue(own_store, tmp_path, AT_ONCE)
    service.projects.save(KEY, EVERY_PIXEL)
    return service


@pytest.fixture
def learner(service) -> LearningWorker:
    return service.learning_worker


@pytest.fixture
def send(learner):
    """Queue events and work off all that there is."""

    def send(*events: dict) -> None:
        for event in events:
            learner.queue.push(event)
        while learner.process_one():
            pass

    return send


@pytest.fixture
def mask(photo) -> np.ndarray:
    """The bright disk of the photo."""
    return photo[..., 0] > 200


def region(label: str, mask: np.ndarray, **more) -> dict:
    (control,) = read_controls(CONFIG)
    spec = next(one for one in control.labels if one.name == label)
    (item,) = encode_regions(control, spec, mask, 0.5, region_id=f"r-{label}")
    return item | more


@pytest.fixture
def corrected(photo_uri, mask):
    """An event of an annotation that says the disk is a cat."""

    def make(annotation=1, *, second=0, action="ANNOTATION_CREATED", task=5, uri=None, **more):
        one = {
            "id": annotation,
            "result": [region("c", mask)],
            "updated_at": f"2026-01-01T00:00:{second:02d}.000001Z",
            "was_cancelled": False,
            "parent_prediction": None,
        }
        shown = {"id": task, "data": {"image": uri or photo_uri}}
        return {"action": action, "project": PROJECT, "annotation": one | more, "task": shown}

    return make


def deletion(*annotations: int) -> dict:
    ids = [{"id": n} for n in annotations]
    return {"action": "ANNOTATIONS_DELETED", "project": PROJECT, "annotations": ids}


TRAIN = {"action": "START_TRAINING", "project": PROJECT}


def taught(learner) -> list[str]:
    index = learner.lessons.index(KEY)
    return sorted(key for key, one in index.annotations.items() if one.lessons)


def version(service) -> str:
    return service.annotator.version(EVERY_PIXEL, KEY)


# --- what is learned


def test_a_correction_changes_the_version_at_start_training_and_the_masks_with_it(
    service, send, corrected, photo_uri, mask
):
    def predict() -> dict:
        tasks = [{"id": 5, "data": {"image": photo_uri}}]
        (found,) = service.annotator.predict(tasks, CONFIG, EVERY_PIXEL, project_id=KEY)
        return found

    before = predict()
    learner = service.learning_worker
    send(corrected())
    assert taught(learner) == ["1"]
    assert predict() == before  # the version stays, and so does what it says
    send(TRAIN)
    after = predict()
    assert (
        after["model_version"]
        == version(service)
        == f"{before['model_version']}+memory-" + (learner.lessons.index(KEY).versions[0].name)
    )
    assert after["result"] != before["result"]
    assert {one["id"] for one in after["result"]} & {one["id"] for one in before["result"]}
    pinned = EVERY_PIXEL.model_copy(update={"memory_version": "none"})
    tasks = [{"id": 5, "data": {"image": photo_uri}}]
    assert service.annotator.predict(tasks, CONFIG, pinned, project_id=KEY) == [before]


def test_five_corrections_are_used_by_themselves(learner, service, send, corrected):
    plain = version(service)
    send(*(corrected(n, task=n) for n in range(4)))
    assert version(service) == plain
    send(corrected(4, task=4))
    assert version(service) != plain
    assert counted(learner.counts) == {"lessons": 5, "events": 5}


def test_what_was_shown_tells_right_from_wrong(learner, service, send, corrected, photo_uri):
    tasks = [{"id": 5, "data": {"image": photo_uri}}]
    service.annotator.predict(tasks, CONFIG, EVERY_PIXEL, project_id=KEY)
    send(corrected())
    (ref,) = learner.lessons.index(KEY).annotations["1"].lessons
    lesson = learner.lessons.lessons(KEY, [ref])[ref.digest]
    assert lesson.was_wrong.any()


def test_an_empty_annotation_teaches_that_nothing_is_there(learner, send, corrected):
    send(corrected(result=[]))
    (ref,) = learner.lessons.index(KEY).annotations["1"].lessons
    assert ref.labels == ()


def test_bulk_events_teach_each_annotation(learner, send, corrected):
    one, two = corrected(1, task=1), corrected(2, task=2)
    two["annotation"]["task"], one["annotation"]["task"] = 2, 1
    send(
        one
        | {
            "action": "ANNOTATIONS_CREATED",
            "annotation": [one["annotation"], two["annotation"]],
            "task": [one["task"], two["task"]],
        }
    )
    assert taught(learner) == ["1", "2"]


def test_of_a_bulk_event_the_damaged_annotation_alone_is_set_aside(learner, send, corrected):
    one, two = corrected(1, task=1), corrected(2, task=2)
    one["annotation"] |= {"task": 1}
    two["annotation"] |= {"task": 2, "result": [region("c", np.ones((9, 9), bool))]}
    bulk = {
        "annotation": [two["annotation"], one["annotation"]],
        "task": [two["task"], one["task"]],
    }
    send(one | {"action": "ANNOTATIONS_CREATED"} | bulk)
    assert taught(learner) == ["1"]
    assert learner.queue.size() == 0
    assert learner.counts["set_aside"] == 1


# --- order, repetition, deletion


def test_duplicates_teach_once_and_the_older_update_does_not_come_back(learner, send, corrected):
    newer = corrected(second=9, action="ANNOTATION_UPDATED", result=[])
    send(corrected(second=1), corrected(second=1), newer, corrected(second=5), newer)
    (ref,) = learner.lessons.index(KEY).annotations["1"].lessons
    assert ref.labels == ()
    assert learner.lessons.index(KEY).changes == 2
    assert learner.counts["lessons"] == 2


@pytest.mark.parametrize("last", ["creation", "deletion"])
def test_a_deleted_annotation_leaves_no_trace_in_whatever_order(
    learner, service, send, corrected, last
):
    plain = version(service)
    send(corrected(1), TRAIN, corrected(2)) if last == "deletion" else None
    send(deletion(1, 2), corrected(1), corrected(2), TRAIN)
    assert taught(learner) == []
    assert version(service) == plain


def test_a_deleted_task_takes_its_annotations_with_it(learner, service, send, corrected, photo_uri):
    send(corrected(1, task=5), corrected(2, task=6), TRAIN)
    service.annotator.predict(
        [{"id": 5, "data": {"image": photo_uri}}], CONFIG, EVERY_PIXEL, project_id=KEY
    )
    send({"action": "TASKS_DELETED", "project": PROJECT, "tasks": [{"id": 5}]})
    assert taught(learner) == ["2"]
    assert list(learner.lessons.index(KEY).versions[0].annotations) == ["2"]
    assert learner.predicted_masks.load(KEY, 5, "tag", 0) is None


def test_a_skipped_annotation_teaches_nothing_and_no_longer(learner, send, corrected):
    send(corrected(was_cancelled=True, result=[]))
    assert taught(learner) == []
    send(corrected(second=1), corrected(second=2, was_cancelled=True))
    assert taught(learner) == []


# --- what cannot be learned from


def test_damaged_events_are_set_aside_at_once_and_block_nothing(learner, send, corrected, caplog):
    no_config = corrected(2) | {"project": PROJECT | {"label_config": "<View/>"}}
    wrong_size = corrected(3, result=[region("c", np.ones((9, 9), bool))])
    send(
        no_config, wrong_size, corrected(4, updated_at="soon"), {"action": "ANNOTATION_CREATED"},
        {"action": "NOBODY_KNOWS"}, corrected(5),
    )  # fmt: skip
    assert taught(learner) == ["5"]
    assert learner.queue.size() in (0, 1)  # the one without a project comes again, then goes
    send()
    assert learner.queue.size() == 0
    assert "annotation 3 of task 5 is set aside" in caplog.text
    assert "64 x 48" in caplog.text


def test_an_image_that_cannot_be_had_is_tried_twice_and_then_set_aside(
    learner, send, corrected, caplog
):
    caplog.set_level(logging.WARNING)
    send(corrected(1, uri="data:image/png;base64,AAAA"), corrected(2))
    assert taught(learner) == ["2"]
    assert learner.queue.size() == 0
    assert counted(learner.counts) == {"lessons": 1, "events": 1, "failures": 3, "set_aside": 1}
    assert "project 1, annotation 1 comes again" in caplog.text
    assert "is set aside: It failed 2 times" in caplog.text


def test_a_host_that_is_back_in_time_is_learned_from(learner, send, corrected):
    load, failures = learner.pages.load_image, iter([True])

    def shaky(uri, **more):
        if next(failures, False):
            raise ImageNotFound("the host does not answer")
        return load(uri, **more)

    learner.pages = replace(learner.pages, load_image=shaky)
    send(corrected())
    assert taught(learner) == ["1"]


def test_a_store_that_takes_nothing_is_waited_for_however_long(learner, corrected, monkeypatch):
    def full(*_, **__):
        raise StoreError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(learner.lessons, "teach", full)
        learner.queue.push(corrected())
        for _ in range(6):
            assert learner.process_one()
    assert learner.process_one()
    assert taught(learner) == ["1"]


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDED.glob("webhook_*.json")))
def test_every_recorded_event_is_worked_off(learner, send, name, photo, monkeypatch):
    event = json.loads((RECORDED / f"{name}.json").read_text())["body"]
    size = (300, 400) if event["project"]["id"] == 4 else (48, 64)
    image = np.full((*size, 3), 90, dtype=np.uint8)
    learner.pages = replace(learner.pages, load_image=lambda _uri, **_: image)
    send(event)
    assert learner.queue.size() == 0
    assert learner.counts["failures"] == 0


def test_switched_off_it_only_forgets(learner, send, corrected):
    send(corrected(1), corrected(2), TRAIN)
    learner.is_learning = False
    send(corrected(3), deletion(1), TRAIN)
    assert taught(learner) == ["2"]


def test_its_thread_works_off_what_comes_and_stops(learner, corrected):
    learner.start()
    learner.queue.push(corrected())
    learner.wake()
    for _ in range(3000):
        if taught(learner):
            break
        learner._stopping.wait(0.01)
    learner.stop()
    assert taught(learner) == ["1"]


# --- processes die

WORKER = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from backend.learning.event_queue import EventQueue, QueueConfig
from backend.service import Service
from backend.settings import Settings
die_at = sys.argv[1]
service = Service(Settings.from_env())
queue = EventQueue(service.store, service.settings.data_dir, QueueConfig(claim_after_s=0.0))
class Dying:
    def __getattr__(self, name):
        if name == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return getattr(queue, name)
service.events = Dying()
if die_at == "learn":
    load = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
    service.pages = replace(service.pages, load_image=load)
while service.learning_worker.process_one():
    pass
"""


def work_in_a_process(folder, checkpoint, die_at: str) -> int:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {"CLIP_MODEL": checkpoint.model, "CLIP_PRETRAINED": checkpoint.pretrained}
    environment |= {"DEVICE": "cpu", "OMP_NUM_THREADS": "1", "DATA_DIR": str(folder)}
    command = [sys.executable, "-c", WORKER, die_at]
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=300, check=False).returncode


@pytest.mark.parametrize("die_at", ["learn", "acknowledge"])
def test_an_event_whose_worker_was_killed_is_learned_by_the_next(
    learner, send, corrected, tmp_path, tiny_checkpoint, die_at
):
    """Killed before anything is stored, or after that but before the event is done."""
    learner.queue.push(corrected())
    assert work_in_a_process(tmp_path, tiny_checkpoint, die_at) == -signal.SIGKILL
    assert taught(learner) == ([] if die_at == "learn" else ["1"])
    assert learner.queue.size() == 1
    send()
    assert taught(learner) == ["1"]
    assert learner.queue.size() == 0
    assert learner.lessons.index(KEY).changes == 1


def test_an_event_that_takes_its_workers_down_is_set_aside(learner, send, corrected, caplog):
    learner.queue.push(corrected())
    for _ in range(2):  # taken, and never heard of again
        assert len(learner.queue.take(1)) == 1
    send(corrected(2))
    assert taught(learner) == ["2"]
    assert learner.queue.size() == 0
    assert "annotation 1 is set aside: It failed 2 times" in caplog.text

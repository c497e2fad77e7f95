"""Lessons in a real store: shared by workers, whole after a kill, used in frozen versions."""

import itertools
import threading
import uuid

import numpy as np
import pytest

from backend.errors import StoreError
from backend.label_studio.project_settings import ProjectSettings
from backend.memory.active_version import ActiveVersions
from backend.memory.lesson_index import Limits
from backend.memory.lesson_store import LessonStore, NewLesson
from backend.store.keys import memory_key
from backend.store.store import open_store
from model import SegmentSettings, TaughtMask, Vocabulary
from tests.support.stores import open_patient_store

WORDS = Vocabulary.of(["Cat", "Dog"])
METHOD = SegmentSettings().resolve()


@pytest.fixture(scope="module")
def lesson(tiny_segmenter, photo):
    """Make a lesson: a mask of so many rows for this label."""
    (features,) = tiny_segmenter.encode([photo], METHOD)

    def make(label="Cat", rows=20, method=METHOD):
        mask = np.zeros(photo.shape[:2], dtype=bool)
        mask[:rows] = True
        found = features if method == METHOD else tiny_segmenter.encode([photo], method)[0]
        return tiny_segmenter.learn(found, photo, [TaughtMask(label, mask)], WORDS, method)

    return make


@pytest.fixture
def project() -> str:
    return f"{uuid.uuid4()}.1"


def teach(memory, project, annotation, lesson, updated_us=1, task="t", **more):
    return memory.teach(
        project, annotation, task, updated_us, [NewLesson("tag", 0, lesson)], **more
    )


@pytest.fixture
def space(tiny_segmenter):
    return tiny_segmenter.space(METHOD)


def test_predictions_use_it_after_so_many_changes_and_not_before(store, project, lesson, space):
    memory, active = LessonStore(store, learn_every=3), ActiveVersions(LessonStore(store))
    for n in range(2):
        assert teach(memory, project, str(n), lesson(rows=10 + n))
    assert active.active_name(project, "newest", space) == ""
    teach(memory, project, "2", lesson(rows=30))
    name = active.active_name(project, "newest", space)
    assert name.startswith("1-")
    loaded = active.load(project, "newest", space)
    assert loaded.name == name
    assert loaded.memories["tag"].counts == {"Cat": 3}

    teach(memory, project, "3", lesson("Dog"))  # the fourth waits
    assert active.load(project, "newest", space) is loaded
    assert active.summary(project).changes == 1


def test_start_training_uses_it_at_once_and_twice_is_once(store, project, lesson, space):
    memory, active = LessonStore(store), ActiveVersions(LessonStore(store))
    assert not memory.train(project)
    teach(memory, project, "1", lesson())
    assert memory.train(project)
    assert not memory.train(project)
    assert active.active_name(project, "newest", space).startswith("1-")


def test_an_earlier_version_predicts_as_it_did(store, project, lesson, space):
    memory, active = LessonStore(store), ActiveVersions(LessonStore(store))
    for n, rows in enumerate((10, 20, 30), 1):
        teach(memory, project, "same annotation", lesson(rows=rows), updated_us=n)
        memory.train(project)
    versions = [
        ActiveVersions(memory).load(project, pinned, space).memories["tag"].version
        for pinned in ("1", "2", "3", "newest")
    ]
    assert len(set(versions)) == 3
    assert versions[2] == versions[3]
    assert active.load(project, "none", space).memories == {}
    assert active.summary(project).unused_warning("2", space) is None
    warning = active.summary(project).unused_warning("9", space)
    assert "memory_version 9 is not kept" in (warning or "")


def test_a_deletion_is_out_of_every_version_at_once(store, project, lesson, space):
    memory, active = LessonStore(store), ActiveVersions(LessonStore(store))
    teach(memory, project, "good", lesson("Cat"))
    teach(memory, project, "bad", lesson("Dog"))
    memory.train(project)
    before = active.load(project, "newest", space)
    assert memory.delete(project, annotations=["bad"])
    after = active.load(project, "newest", space)
    assert after.name != before.name
    assert after.memories["tag"].counts == {"Cat": 1}
    kept = store.run("look", lambda c: c.hlen(memory_key(project, "lessons")))
    assert kept == 1  # its bytes are gone too

    assert memory.delete(project, tasks=["t"])
    assert active.load(project, "newest", space).memories == {}
    assert store.run("look", lambda c: c.hlen(memory_key(project, "lessons"))) == 0
    assert not teach(memory, project, "late", lesson())  # of the deleted task


def test_lessons_of_other_features_are_not_used_and_said(store, project, lesson, tiny_segmenter):
    memory, active = LessonStore(store), ActiveVersions(LessonStore(store))
    other = SegmentSettings(method="clip").resolve()
    teach(memory, project, "1", lesson(method=other))
    memory.train(project)
    ours, theirs = tiny_segmenter.space(METHOD), tiny_segmenter.space(other)
    assert ours != theirs
    assert active.active_name(project, "newest", ours) == ""
    assert active.active_name(project, "newest", theirs).startswith("1-")
    warning = active.summary(project).unused_warning("newest", ours)
    assert "1 of 1 corrections were learned with another" in (warning or "")
    assert active.summary(project).unused_warning("newest", theirs) is None


def test_many_workers_at_once_lose_nothing(settings, store, project, lesson):
    """Each with a connection and a table of its own, all at one project."""
    stores = [open_patient_store(settings.data_dir) for _ in range(4)]
    lessons = [lesson(rows=rows) for rows in range(2, 42)]
    numbers = itertools.count()

    def work(memory):
        for _ in range(10):
            n = next(numbers)
            teach(memory, project, str(n), lessons[n])

    threads = [threading.Thread(target=work, args=(LessonStore(one, 4),)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index = LessonStore(store).index(project)
    assert len(index.annotations) == 40
    assert [version.number for version in index.versions] == list(range(1, 11))
    refs = [ref for one in index.annotations.values() for ref in one.lessons]
    assert len(LessonStore(store).lessons(project, refs)) == len({ref.digest for ref in refs})
    for one in stores:
        one.close()


def test_it_is_there_after_a_restart(tmp_path, project, lesson, space):
    for n in (1, 2):
        store = open_store(None, tmp_path)
        memory = LessonStore(store)
        assert len(memory.index(project).annotations) == n - 1
        teach(memory, project, str(n), lesson(rows=n))
        memory.train(project)
        assert ActiveVersions(memory).active_name(project, "newest", space).startswith(f"{n}-")
        store.close()


def test_without_the_store_nothing_is_taught_and_what_is_loaded_stays(
    tmp_path, project, lesson, space
):
    store = open_store(None, tmp_path)
    memory = LessonStore(store)
    active = ActiveVersions(memory)
    teach(memory, project, "1", lesson())
    memory.train(project)
    loaded = active.load(project, "newest", space)
    store.close()
    assert active.load(project, "newest", space) is loaded
    with pytest.raises(StoreError):
        teach(memory, project, "2", lesson())
    assert ActiveVersions(memory).load(project, "newest", space).memories == {}


def test_a_damaged_lesson_costs_itself_alone(store, project, lesson, space, caplog):
    memory = LessonStore(store)
    teach(memory, project, "1", lesson("Cat"))
    teach(memory, project, "2", lesson("Dog"))
    memory.train(project)
    digest = lesson("Dog").digest
    key = memory_key(project, "lessons")
    store.run("spoil", lambda client: client.hset(key, digest, b"nonsense"))
    assert ActiveVersions(memory).load(project, "newest", space).memories["tag"].counts == {
        "Cat": 1
    }
    assert "1 of 2 lessons are missing or damaged" in caplog.text
    teach(memory, project, "2", lesson("Dog"), updated_us=2)  # as Update does
    counts = ActiveVersions(memory).load(project, "newest", space).memories["tag"].counts
    assert counts == {"Cat": 1, "Dog": 1}


def test_what_another_program_wrote_is_not_overwritten(store, project, lesson):
    store.set_many({memory_key(project, "state"): b'{"format": 99}'})
    memory = LessonStore(store)
    with pytest.raises(StoreError, match=f"memory forget {project}"):
        teach(memory, project, "1", lesson())
    assert memory.forget(project)
    assert teach(memory, project, "1", lesson())


def test_the_oldest_is_forgotten_when_there_is_no_room(store, project, lesson):
    memory = LessonStore(store, limits=Limits(max_annotations=2))
    for n in range(3):
        teach(memory, project, str(n), lesson(rows=n + 5), updated_us=n)
    assert sorted(memory.index(project).annotations) == ["1", "2"]


def test_forgetting_a_project_leaves_no_key(store, project, lesson):
    memory = LessonStore(store)
    teach(memory, project, "1", lesson())
    assert project in memory.projects()
    assert memory.forget(project)
    assert not memory.forget(project)
    assert project not in memory.projects()
    assert store.run("look", lambda client: client.keys(f"*{project}*")) == []


def test_pinning_is_a_setting_of_the_project():
    assert ProjectSettings.from_extra_params({"memory_version": 3})[0].memory_version == "3"

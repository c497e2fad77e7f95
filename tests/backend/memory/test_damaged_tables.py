"""Damage to what is stored of a project costs what it hits, and never an answer."""

import contextlib
import logging
import uuid
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import StoreError
from backend.memory.active_version import ActiveVersions
from backend.memory.agreement import Agreement, ShownBy
from backend.memory.lesson_store import LessonStore, NewLesson
from backend.store.keys import MEMORY_TYPES, memory_key
from model import SegmentSettings, TaughtMask, Vocabulary
from tests.support.damage import changed_json, damaged
from tests.support.logs import warnings_of

MORE = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
METHOD = SegmentSettings().resolve()
AGREEMENT = Agreement(ShownBy("tiny/firstpass", ""), 2, 1.5, 1, 1, 0, 0)
JSON_TABLES = ("annotations", "past", "tasks")


@pytest.fixture(scope="module")
def new_lesson(tiny_segmenter, photo) -> NewLesson:
    (features,) = tiny_segmenter.encode([photo], METHOD)
    taught = [TaughtMask("Cat", photo[..., 0] > 200)]
    words = Vocabulary.of(["Cat", "Dog"])
    lesson = tiny_segmenter.learn(features, photo, taught, words, METHOD)
    return NewLesson("tag", 0, lesson, AGREEMENT)


@pytest.fixture(scope="module")
def written(store, new_lesson) -> dict[str, bytes]:
    """All keys of a project in their stored form, by part: versions, past rows, deletions."""
    project, lessons = f"{uuid.uuid4()}.1", LessonStore(store)
    for n in range(3):
        lessons.teach(project, str(n), f"t{n}", n, [new_lesson])
        lessons.train(project)
    lessons.teach(project, "1", "t1", 9, [])
    lessons.cancel(project, "8", "t8", 1)
    lessons.delete(project, annotations=["2"], tasks=["t7"])

    def dump(client: Any) -> dict[str, bytes]:
        return {part: client.dump(memory_key(project, part)) for part in MEMORY_TYPES}

    return {part: value for part, value in store.run("look", dump).items() if value is not None}


@pytest.fixture
def restored(store, written):
    """Write the project under a name of its own; the name."""

    def restore() -> str:
        project = f"{uuid.uuid4()}.1"
        for part, value in written.items():
            key = memory_key(project, part)
            store.run("restore", lambda client, k=key, v=value: client.restore(k, 0, v))
        return project

    return restore


def use_all(store, project: str, new_lesson: NewLesson) -> None:
    """All that predictions, learning and commands do with a project."""
    lessons = LessonStore(store)
    active = ActiveVersions(lessons)
    orjson.dumps([one.as_json() for one in active.summary(project).agreement])
    active.load(project, "newest", new_lesson.lesson.space)
    lessons.index(project)
    lessons.is_known(project, "1", "t1", 3)
    assert lessons.teach(project, "new", "new", 2**50, [new_lesson])
    lessons.cancel(project, "0", "t0", 2**50)
    lessons.delete(project, annotations=["1"], tasks=["t1"])
    lessons.train(project)
    assert "new" in lessons.index(project).versions[-1].annotations
    active.summary(project)


def test_every_table_is_written(written):
    assert written.keys() >= MEMORY_TYPES.keys() - {"index", "head"}


@MORE
@given(data=st.data())
def test_a_head_of_any_other_content_costs_no_answer(store, restored, new_lesson, data):
    project = restored()
    key = memory_key(project, "state")
    state = orjson.loads(store.get_many([key])[0])
    value = data.draw(changed_json(state).map(dumps) | damaged(orjson.dumps(state)))
    store.set_many({key: value})
    later = pytest.raises(StoreError, match="a later version of Firstpass wrote it")
    with later if is_of_a_later_format(value) else contextlib.nullcontext():
        use_all(store, project, new_lesson)


def is_of_a_later_format(value: bytes) -> bool:
    with contextlib.suppress(ValueError):
        found = orjson.loads(value)
        number = found.get("format") if isinstance(found, dict) else None
        return isinstance(number, int) and number > 2
    return False


def dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer that it does not write
        return b"null"


@MORE
@given(data=st.data(), part=st.sampled_from(JSON_TABLES))
def test_a_row_of_any_other_content_costs_no_answer(store, restored, new_lesson, part, data):
    project = restored()
    key = memory_key(project, part)
    name, value = data.draw(
        st.sampled_from(sorted(store.run("look", lambda client: client.hgetall(key)).items()))
    )
    spoiled = data.draw(changed_json(orjson.loads(value)).map(dumps) | damaged(value))
    store.run("spoil", lambda client: client.hset(key, name, spoiled))
    use_all(store, project, new_lesson)


@MORE
@given(
    part=st.sampled_from(sorted(MEMORY_TYPES)),
    kind=st.sampled_from(["gone", "another type", "odd member"]),
    member=st.binary(max_size=5),
    score=st.floats(allow_nan=False),
)
def test_a_table_of_any_other_content_costs_no_answer(
    store, restored, new_lesson, part, kind, member, score
):
    project = restored()
    key = memory_key(project, part)

    def spoil(client: Any) -> None:
        if kind == "odd member" and MEMORY_TYPES[part] == "zset":
            client.zadd(key, {member: score})
        elif kind == "odd member" and MEMORY_TYPES[part] == "hash":
            client.hset(key, member, member)
        else:
            client.delete(key)
            if kind == "another type":
                client.rpush(key, member)

    store.run("spoil", spoil)
    use_all(store, project, new_lesson)


def test_a_lost_head_is_counted_anew_and_said_once(store, restored, new_lesson, caplog):
    project = restored()
    before = LessonStore(store).head(project)
    store.set_many({memory_key(project, "state"): b"nonsense"})
    after = LessonStore(store).head(project)
    assert [one.name for one in after.versions] == [one.name for one in before.versions]
    assert (after.present, after.last_number) == (before.present, before.last_number)
    assert after.summary().agreement == before.summary().agreement
    (line,) = warnings_of(caplog)
    assert "is counted anew from its lessons" in line


@pytest.mark.parametrize("count", ["annotations", "n_bytes"])
def test_a_damaged_count_costs_no_lesson(store, restored, new_lesson, count):
    project = restored()
    key = memory_key(project, "state")
    state = orjson.loads(store.get_many([key])[0])
    state["present"][count] = 2**50
    store.set_many({key: orjson.dumps(state)})
    lessons = LessonStore(store)
    lessons.teach(project, "new", "new", 2**50, [new_lesson])
    present = lessons.index(project).annotations
    assert sorted(key for key, one in present.items() if one.lessons) == ["0", "new"]
    assert lessons.head(project).present.annotations == 2


def test_fields_of_another_release_are_kept(store, restored, new_lesson, caplog):
    caplog.set_level(logging.WARNING)
    project = restored()
    key = memory_key(project, "state")
    state = orjson.loads(store.get_many([key])[0])
    state |= {"new": {"of": "a later release"}}
    state["present"] |= {"more": 1}
    state["versions"][0] |= {"more": 1}
    store.set_many({key: orjson.dumps(state)})
    use_all(store, project, new_lesson)
    stored = orjson.loads(store.get_many([key])[0])
    assert (stored["new"], stored["format"]) == ({"of": "a later release"}, 2)
    assert warnings_of(caplog) == []


def test_a_later_format_is_not_touched_and_said_once(store, restored, new_lesson, caplog):
    project = restored()
    key = memory_key(project, "state")
    store.set_many({key: b'{"format": 3, "all": "new"}'})
    lessons = LessonStore(store)
    active = ActiveVersions(lessons)
    for _ in range(2):
        assert active.load(project, "newest", new_lesson.lesson.space).memories == {}
        with pytest.raises(StoreError, match="a later version of Firstpass wrote it"):
            lessons.teach(project, "new", "new", 2**50, [new_lesson])
    assert len([line for line in warnings_of(caplog) if project in line]) == 1
    assert list(lessons.unreadable) == [project]
    assert store.get_many([key]) == [b'{"format": 3, "all": "new"}']

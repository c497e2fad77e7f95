"""What a release wrote that kept a project in one value is known still, and beside it."""

import json
import uuid
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.memory.lesson_store import LessonStore
from backend.store.keys import memory_key
from tests.support.damage import changed_json, damaged
from tests.support.logs import warnings_of
from tests.support.recorded import FIXTURES

STORED: dict[str, Any] = json.loads((FIXTURES / "lesson_index_format_1.json").read_text())
MORE = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def lessons(store) -> LessonStore:
    return LessonStore(store)


def write(store, index: Any = STORED["index"], project: str = "") -> str:
    """Index and head of a project, as that release writes them; the project's name."""
    name = project or f"{uuid.uuid4()}.1"
    value = index if isinstance(index, bytes) else orjson.dumps(index)
    store.set_many(
        {memory_key(name, "index"): value, memory_key(name, "head"): orjson.dumps(STORED["head"])}
    )
    return name


def held(lessons: LessonStore, project: str) -> dict[str, dict[str, list[str]]]:
    """Digests by annotation, of what is present and in each version."""
    index = lessons.index(project)
    sets = {"present": index.annotations} | {str(v.number): v.annotations for v in index.versions}
    return {
        name: {key: [ref.digest for ref in one.lessons] for key, one in found.items()}
        for name, found in sets.items()
    }


EXPECTED = {
    "present": {"1": ["d1"], "2": ["d7"], "4": [], "5": ["d6"]},
    "1": {"1": ["d1"], "2": ["d2", "d3"]},
    "2": {"1": ["d4"], "2": ["d2", "d3"]},
    "3": {"1": ["d1"], "2": ["d2", "d3"]},
}


def test_annotations_versions_and_deletions_are_taken_over(store, lessons):
    project = write(store)
    summary = lessons.head(project).summary()
    assert [name.split("-")[0] for name, _ in summary.versions] == ["1", "2", "3"]
    assert {spaces for _, spaces in summary.versions} == {("space",)}
    assert (summary.changes, summary.annotations) == (2, 3)
    assert held(lessons, project) == EXPECTED
    assert lessons.index(project).versions[0].made_s == 1_700_000_001.5
    assert not lessons.teach(project, "3", "t3", 2_000_000_000_000_000, [])
    assert not lessons.teach(project, "new", "t9", 2_000_000_000_000_000, [])
    assert lessons.train(project)
    assert held(lessons, project)["4"] == {"1": ["d1"], "2": ["d7"], "5": ["d6"]}


def test_it_is_taken_over_once_and_left_for_a_release_that_reads_it(store, lessons):
    project = write(store)
    assert held(lessons, project) == EXPECTED
    lessons.delete(project, annotations=["1"])
    assert "1" not in held(lessons, project)["present"]
    kept = store.get_many([memory_key(project, "index"), memory_key(project, "head")])
    assert kept == [orjson.dumps(STORED["index"]), None]  # which it makes anew of the index


def test_what_that_release_learns_meanwhile_is_taken_over_too(store, lessons):
    project = write(store)
    lessons.delete(project, annotations=["5"])
    index = json.loads(json.dumps(STORED["index"]))
    new = index["index"]["annotations"]["1"] | {"updated_us": 1_800_000_000_000_000, "task": "t7"}
    index["index"]["annotations"]["7"] = new
    index["index"]["deleted"]["2"] = 1_700_000_009.0
    write(store, index, project)
    assert held(lessons, project)["present"] == {"1": ["d1"], "4": [], "7": ["d1"]}
    assert held(lessons, project)["3"] == {"1": ["d1"]}


def test_forgetting_leaves_nothing_of_it(store, lessons):
    project = write(store)
    assert lessons.forget(project)
    assert held(lessons, project) == {"present": {}}


def test_what_is_no_index_is_left_and_said_once(store, lessons, caplog):
    project = write(store, b"nonsense")
    for _ in range(2):
        assert lessons.head(project).summary().versions == ()
        lessons.teach(project, "1", "t", 1, [])
    (line,) = warnings_of(caplog)
    assert f"learned of project {project} cannot be read" in line
    assert store.get_many([memory_key(project, "index")]) == [b"nonsense"]


@MORE
@given(index=changed_json(STORED["index"]))
def test_one_damaged_part_costs_no_answer(store, index):
    lessons = LessonStore(store)
    project = write(store, index)
    lessons.head(project).summary()
    held(lessons, project)
    assert lessons.teach(project, "new", "new", 1, [])


@MORE
@given(data=st.data())
def test_damaged_bytes_cost_no_answer(store, data):
    lessons = LessonStore(store)
    project = write(store, data.draw(damaged(orjson.dumps(STORED["index"]))))
    lessons.head(project).summary()
    held(lessons, project)
    assert lessons.teach(project, "new", "new", 1, [])

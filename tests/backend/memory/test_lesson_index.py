"""What is known must not depend on the order in which events come, nor on how often."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.memory.annotation_lessons import AnnotationLessons, LessonRef, Row
from backend.memory.lesson_index import LessonIndex, Limits, stream_id_sort_key
from backend.memory.lesson_snapshot import LessonSnapshot
from backend.memory.project_head import recount
from backend.memory.project_update import ProjectUpdates
from backend.store.keys import memory_key
from backend.store.store import Store

REAL_STORE = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
NO_LIMITS = Limits(max_annotations=10**6, max_bytes=10**12, max_versions=10**6)


def taught(
    updated_us: int, task="t", digest: str | None = None, labels=("Cat",)
) -> AnnotationLessons:
    name = digest or f"d{updated_us}"
    return AnnotationLessons(updated_us, task, (LessonRef("tag", 0, name, "space", labels, 1000),))


def teach(annotation: str, updated_us: int, queued_as="", **more) -> Callable[[LessonIndex], bool]:
    one = taught(updated_us, **more)
    return lambda index: index.teach(annotation, one, queued_as=queued_as, now_s=0.0)


def cancel(annotation: str, updated_us: int) -> Callable[[LessonIndex], bool]:
    return lambda index: index.cancel(annotation, taught(updated_us))


def delete(annotation: str, now_s: float = 0.0) -> Callable[[LessonIndex], bool]:
    return lambda index: index.delete([annotation], now_s)


def publish(index: LessonIndex) -> bool:
    return index.publish(0.0)


class Project:
    """A project of its own in the store."""

    def __init__(self, store: Store, limits: Limits = NO_LIMITS) -> None:
        self.store, self.name = store, f"{uuid.uuid4()}.1"
        self.updates = ProjectUpdates(store, limits)

    def do(self, *changes: Callable[[LessonIndex], Any]) -> list[bool]:
        return [self.updates.apply(self.name, change).changed for change in changes]

    def now(self) -> LessonSnapshot:
        return self.updates.snapshot(self.name)

    def known(self) -> dict[str, AnnotationLessons]:
        return {key: one for key, one in self.now().annotations.items() if one.lessons}

    def numbers(self) -> list[int]:
        return [version.number for version in self.now().versions]

    def lessons_used(self) -> dict[str, int]:
        found: Any = self.store.run("look", lambda c: c.hgetall(memory_key(self.name, "uses")))
        return {digest.decode(): int(n) for digest, n in found.items()}

    def rows(self) -> tuple[dict[str, Row], dict[str, Row], int]:
        """Present ones, past ones, and how many annotations changed since the newest version."""
        return self.updates.look(
            self.name,
            lambda index: (
                index.tables.rows.all(),
                index.tables.past.all(),
                len(index.tables.pending.all()),
            ),
        )


@pytest.fixture
def project(store) -> Project:
    return Project(store)


# An event: what happens, to which annotation, and when; each annotation belongs to one task.
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["teach", "teach", "cancel", "delete", "delete task", "train"]),
        st.integers(0, 4),
        st.integers(1, 6),
    ),
    max_size=12,
)


def change_of(event) -> Callable[[LessonIndex], bool]:
    what, number, moment = event
    annotation, task = f"a{number}", f"t{number % 2}"
    # Two events of one moment would be one event: what they say then is a function of it.
    one = taught(2 * moment + (what == "cancel"), task, f"d{moment % 3}")
    if what == "teach":
        return lambda index: index.teach(annotation, one, queued_as="", now_s=0.0)
    if what == "cancel":
        return lambda index: index.cancel(annotation, one)
    if what == "delete":
        return delete(annotation)
    if what == "delete task":
        return lambda index: index.delete_tasks([task], 0.0)
    return publish


class PlainModel:
    """What an index must be, with every version as a copy of all that it holds."""

    def __init__(self) -> None:
        self.present: dict[str, tuple[int, str, str]] = {}  # updated_us, task, digest or ""
        self.versions: list[dict[str, str]] = []
        self.deleted: set[str] = set()

    def do(self, event) -> None:
        what, number, moment = event
        annotation, task = f"a{number}", f"t{number % 2}"
        updated_us = 2 * moment + (what == "cancel")
        if what in ("teach", "cancel"):
            is_old = annotation in self.present and self.present[annotation][0] >= updated_us
            if is_old or {annotation, task} & self.deleted:
                return
            if what == "cancel":
                self.erase({annotation})
            digest = "" if what == "cancel" else f"d{moment % 3}"
            self.present[annotation] = (updated_us, task, digest)
        elif what == "delete":
            self.deleted.add(annotation)
            self.erase({annotation})
        elif what == "delete task":
            self.deleted.add(task)
            self.erase({f"a{n}" for n in range(5) if f"t{n % 2}" == task})
        else:
            teaching = {key: digest for key, (_, _, digest) in self.present.items() if digest}
            if teaching != (self.versions[-1] if self.versions else {}):
                self.versions.append(teaching)

    def erase(self, annotations: set[str]) -> None:
        every: list[dict[str, Any]] = [self.present, *self.versions]
        for found in every:
            for annotation in annotations & found.keys():
                del found[annotation]


@REAL_STORE
@given(events=EVENTS)
def test_rows_say_what_copies_would(store, events):
    project, model = Project(store), PlainModel()
    for event in events:
        project.do(change_of(event))
        model.do(event)
        now = project.now()
        assert [
            {key: one.lessons[0].digest for key, one in version.annotations.items()}
            for version in now.versions
        ] == model.versions
        assert {
            key: (one.updated_us, one.task, one.lessons[0].digest if one.lessons else "")
            for key, one in now.annotations.items()
        } == model.present
        head = project.updates.head(project.name)
        present, past, _ = project.rows()
        counted = recount(present, past.values(), head.changes)
        assert head.present == counted.present
        tallies = {version.number: version.tally for version in head.versions}
        assert {v.number: v.tally for v in counted.versions}.items() <= tallies.items()
        used = {ref.digest for row in (*present.values(), *past.values())
                for ref in row.taught.lessons}  # fmt: skip
        assert project.lessons_used().keys() == used


@REAL_STORE
@given(events=EVENTS, data=st.data())
def test_any_order_and_any_repetition_of_events_leads_to_the_same(store, events, data):
    again = data.draw(st.lists(st.sampled_from(events or [("train", 0, 1)])))
    shuffled = data.draw(st.permutations(events + again))
    one, two = Project(store), Project(store)
    one.do(*map(change_of, events), publish)
    two.do(*map(change_of, shuffled), publish)
    assert one.known() == two.known()
    names = [version.name for each in (one, two) for version in each.now().versions[-1:]]
    if len(names) == 2:
        assert names[0].split("-")[1] == names[1].split("-")[1]


def test_a_version_is_made_once_for_what_it_holds(project):
    assert project.do(teach("1", 10), publish, publish) == [True, True, False]
    same = teach("1", 11, digest="d10")  # updated, but it teaches the same
    assert project.do(same, publish) == [True, False]
    assert project.do(teach("1", 12), teach("1", 13, digest="d10"), publish)[-1] is False
    assert project.do(teach("2", 12), publish) == [True, True]
    assert project.numbers() == [1, 2]


def test_a_version_keeps_what_it_was_made_of_and_changes_its_name_with_a_deletion(project):
    project.do(teach("1", 10), teach("2", 10, digest="other"), publish)
    name = project.now().versions[0].name
    project.do(teach("1", 20))
    (version,) = project.now().versions
    assert version.name == name
    assert version.annotations["1"].updated_us == 10
    project.do(delete("2"))
    (version,) = project.now().versions
    assert version.name != name
    assert project.now().version(name) == version  # the number finds it under its old name too
    assert project.now().version("2") is None


def test_an_annotation_that_stood_before_start_training_joins_it_when_it_comes_later(project):
    def train(index: LessonIndex) -> bool:
        index.head.trained = "50-0"
        return False

    project.do(train, teach("late", 10, queued_as="49-3"))
    assert project.now().changes == 0
    assert list(project.now().versions[-1].annotations) == ["late"]
    project.do(teach("new", 10, queued_as="50-1"))
    assert project.now().changes == 1
    assert list(project.now().versions[-1].annotations) == ["late"]


def test_limits_forget_what_was_untouched_for_longest(store):
    project = Project(store, Limits(4, 10**6, max_versions=2, max_deleted=3))
    for number in range(10):
        project.do(teach(str(number), 100 - number), cancel(f"skipped {number}", number))
    assert sorted(project.known()) == ["0", "1", "2", "3"]
    assert len(project.now().annotations) == 8
    project.updates = ProjectUpdates(store, Limits(4, 2500, max_versions=2, max_deleted=3))
    for number in range(5):
        again = teach("again", 200 + number)
        project.do(again, publish, delete(f"gone {number}", float(number)))
    assert sorted(project.known()) == ["0", "again"]
    assert project.numbers() == [4, 5]
    assert "d200" not in project.lessons_used()
    deleted = store.run("look", lambda c: c.zrange(memory_key(project.name, "deleted"), 0, -1))
    assert deleted == [b"gone 2", b"gone 3", b"gone 4"]


def test_queue_ids_order_by_time_then_count():
    ids = ["10-10", "9-0", "11-0", "10-2"]
    assert sorted(ids, key=stream_id_sort_key) == ["9-0", "10-2", "10-10", "11-0"]
    assert stream_id_sort_key("nonsense") == (0, 0)

"""What is known must not depend on the order in which events come, nor on how often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.memory.lesson_index import (
    AnnotationLessons,
    LessonIndex,
    LessonRef,
    Limits,
    stream_id_sort_key,
)


def taught(
    updated_us: int, task="t", digest: str | None = None, labels=("Cat",)
) -> AnnotationLessons:
    name = digest or f"d{updated_us}"
    return AnnotationLessons(updated_us, task, (LessonRef("tag", 0, name, "space", labels, 1000),))


def teach(index: LessonIndex, annotation: str, updated_us: int, queued_as="", **more) -> bool:
    return index.teach(annotation, taught(updated_us, **more), queued_as=queued_as, now_s=0.0)


# An event: what happens, to which annotation, and when; each annotation belongs to one task.
EVENTS = st.tuples(
    st.sampled_from(["teach", "cancel", "delete", "delete task", "train"]),
    st.integers(0, 4),
    st.integers(1, 6),
)


def apply(index: LessonIndex, event) -> None:
    what, number, moment = event
    annotation, task = f"a{number}", f"t{number % 2}"
    # Two events of one moment would be one event: what they say then is a function of it.
    one = taught(2 * moment + (what == "cancel"), task)
    if what == "teach":
        index.teach(annotation, one, queued_as=f"{moment}-0", now_s=0.0)
    elif what == "cancel":
        index.cancel(annotation, one)
    elif what == "delete":
        index.delete([annotation], 0.0)
    elif what == "delete task":
        index.delete_tasks([task], 0.0)
    else:
        index.trained = f"{moment}-0"
        index.publish(0.0)


def known(index: LessonIndex) -> dict:
    return {key: one for key, one in index.annotations.items() if one.lessons}


@given(events=st.lists(EVENTS, max_size=12), data=st.data())
def test_any_order_and_any_repetition_of_events_leads_to_the_same(events, data):
    shuffled = data.draw(
        st.permutations(events + data.draw(st.lists(st.sampled_from(events or [("train", 0, 1)]))))
    )
    one, two = LessonIndex(), LessonIndex()
    for event in events:
        apply(one, event)
    for event in shuffled:
        apply(two, event)
    if not events:
        return
    assert known(one) == known(two)
    one.publish(0.0)
    two.publish(0.0)
    newest = [
        index.versions[-1].name.split("-")[1] if index.versions else None for index in (one, two)
    ]
    if all(newest):
        assert newest[0] == newest[1]


@given(events=st.lists(EVENTS, max_size=15))
def test_what_was_deleted_is_in_no_version(events):
    index = LessonIndex()
    for event in events:
        apply(index, event)
        gone = set(index.deleted)
        for version in index.versions:
            assert not gone & version.annotations.keys()
            assert not {one.task for one in version.annotations.values()} & set(index.deleted_tasks)


@given(events=st.lists(EVENTS, max_size=15))
def test_what_is_written_reads_back(events):
    index = LessonIndex()
    for event in events:
        apply(index, event)
    again = LessonIndex.from_json(index.to_json())
    assert again == index
    assert [v.annotations for v in again.versions] == [v.annotations for v in index.versions]


@pytest.mark.parametrize(
    "foreign", [b"", b"{", b"[]", b'{"format": 2}', b'{"format": 1, "index": {}}x']
)
def test_what_is_no_index_is_refused(foreign):
    with pytest.raises(ValueError, match=r".+"):
        LessonIndex.from_json(foreign)


def test_a_version_is_made_once_for_what_it_holds():
    index = LessonIndex()
    teach(index, "1", 10)
    assert index.publish(0.0)
    assert not index.publish(0.0)
    teach(index, "1", 11, digest="d10")  # updated, but it teaches the same
    assert not index.publish(0.0)
    teach(index, "2", 12)
    assert index.publish(0.0)
    assert [version.number for version in index.versions] == [1, 2]


def test_a_version_keeps_what_it_was_made_of_and_changes_its_name_with_a_deletion():
    index = LessonIndex()
    teach(index, "1", 10)
    teach(index, "2", 10)
    index.publish(0.0)
    name = index.versions[0].name
    teach(index, "1", 20)
    assert index.versions[-1].name == name
    assert index.version() == index.versions[-1]
    assert index.version("1") == index.version(name) == index.versions[0]
    index.delete(["2"], 0.0)
    assert index.versions[0].name != name
    assert index.version(name) == index.versions[0]  # the number finds it under its old name too
    assert index.version("2") is None


def test_an_annotation_that_stood_before_start_training_joins_it_when_it_comes_later():
    index = LessonIndex()
    index.trained = "50-0"
    teach(index, "late", 10, queued_as="49-3")
    assert index.changes == 0
    assert list(index.versions[-1].annotations) == ["late"]
    teach(index, "new", 10, queued_as="50-1")
    assert index.changes == 1
    assert list(index.versions[-1].annotations) == ["late"]


def test_a_skipped_annotation_teaches_again_when_it_is_updated():
    index = LessonIndex()
    teach(index, "1", 10)
    assert index.cancel("1", taught(20))
    assert known(index) == {}
    assert not teach(index, "1", 15)
    assert teach(index, "1", 30)
    assert list(known(index)) == ["1"]


def test_limits_forget_what_was_untouched_for_longest():
    index = LessonIndex()
    for number in range(10):
        teach(index, str(number), 100 - number)
        index.cancel(f"skipped {number}", taught(number))
    index.trim(Limits(max_annotations=4, max_bytes=10**6))
    assert sorted(known(index)) == ["0", "1", "2", "3"]
    assert len(index.annotations) == 8
    index.trim(Limits(max_annotations=4, max_bytes=2500))
    assert sorted(known(index)) == ["0", "1"]
    for number in range(5):
        teach(index, "again", 200 + number)
        index.publish(0.0)
        index.delete([f"gone {number}"], float(number))
    index.trim(Limits(max_versions=2, max_deleted=3))
    assert [version.number for version in index.versions] == [4, 5]
    assert sorted(index.deleted) == ["gone 2", "gone 3", "gone 4"]
    assert "d200" not in index.digests()


def test_counts_are_annotations_by_label():
    index = LessonIndex()
    teach(index, "1", 1, labels=("Cat", "Dog"))
    teach(index, "2", 2, labels=("Cat",))
    assert index.counts() == {"Cat": 2, "Dog": 1}


def test_queue_ids_order_by_time_then_count():
    ids = ["10-10", "9-0", "11-0", "10-2"]
    assert sorted(ids, key=stream_id_sort_key) == ["9-0", "10-2", "10-10", "11-0"]
    assert stream_id_sort_key("nonsense") == (0, 0)

"""Which annotation of a task counts, and files that are no export."""

import json

import pytest

from backend.errors import SettingsError
from backend.evaluation.annotated_tasks import read_annotated, read_export


def annotation(number: int, day: int, **more: object) -> dict[str, object]:
    return {"id": number, "result": [], "updated_at": f"2026-01-{day:02}T00:00:00Z", **more}


def task(*annotations: object) -> dict[str, object]:
    return {"id": 5, "data": {"image": "a.png"}, "annotations": list(annotations)}


def ids_of(*annotations: object) -> list[str]:
    (found,), failures = read_annotated([task(*annotations)])
    assert not failures
    return [one.id for one in found.annotations]


def test_the_newest_annotation_comes_first():
    assert ids_of(annotation(1, 3), annotation(2, 9), annotation(3, 4)) == ["2", "3", "1"]


def test_the_ground_truth_comes_before_newer_ones():
    assert ids_of(annotation(1, 3, ground_truth=True), annotation(2, 9)) == ["1", "2"]


def test_skipped_annotations_do_not_count():
    assert ids_of(annotation(1, 3), annotation(2, 9, was_cancelled=True)) == ["1"]
    assert read_annotated([task(annotation(1, 3, was_cancelled=True)), task()]) == ([], {})


def test_an_annotation_written_by_hand_needs_only_its_result():
    assert ids_of({"result": []}) == ["of task 5"]


def test_a_task_that_cannot_be_read_is_named_and_costs_no_other():
    wrong = {"id": 6, "data": None, "annotations": [annotation(1, 1)]}
    found, failures = read_annotated([wrong, task(annotation(2, 2))])
    assert [one.id for one in found] == [5]
    assert "without its task's data" in failures["6"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<xml/>", "is no JSON"),
        (json.dumps({"images": [], "annotations": []}), "is no list of tasks"),
        (json.dumps([{"id": 1, "image": "a.png", "tag": []}]), "JSON-MIN"),
    ],
)
def test_other_files_are_told_from_an_export(tmp_path, text, said):
    path = tmp_path / "export.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=said) as caught:
        read_export(path)
    assert 'choose the format "JSON"' in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"gone.json cannot be read: No such file"):
        read_export(tmp_path / "gone.json")

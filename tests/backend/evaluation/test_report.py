"""The table and the JSON of an evaluation."""

from backend.evaluation.agreement import Agreement
from backend.evaluation.report import ALL_LABELS, LESSONS, WORDS, Report, TaskScores, worst

HALF = Agreement(images=1, common_px=50, missed_px=25, excess_px=25, pieces=3)
RIGHT = Agreement(images=1, common_px=100)
NOWHERE = Agreement(images=1)


def report() -> Report:
    return Report(
        {"source": "project 12"},
        [
            TaskScores(10, 1, {"Cat": HALF, "Dog": NOWHERE}, {"Cat": RIGHT, "Dog": NOWHERE}, ()),
            TaskScores(9, 1, {"Cat": RIGHT}, {"Cat": HALF}, ('"Dog" is not compared',)),
            TaskScores(11, 0, {}, None, ("no image",)),
        ],
    )


def test_the_table_has_a_row_for_each_label_and_the_mean_last():
    rows = report().rows()
    assert [label for label, _ in rows] == ["Cat", "Dog", ALL_LABELS]
    assert rows[0][1][:5] == ["0.750", "0.857", "0.857", "-", "3"]
    assert rows[1][1] == ["-", "-", "-", "-", "0"] * 2
    assert rows[2][1][0] == "0.750"


def test_the_text_names_columns_pieces_and_what_was_left_out():
    text = report().as_text()
    assert WORDS in text
    assert LESSONS in text
    assert "Pieces to fix in an image: 1.5 words alone, 1.5 with the lessons of others." in text
    assert "Left out: task 11: no image" in text
    widths = {len(line) for line in text.splitlines()[1:5]}
    assert len(widths) == 1


def test_the_json_has_every_task_in_order_of_its_number():
    found = report().as_json()
    assert found["source"] == "project 12"
    assert found["images"] == 2
    assert [task["task"] for task in found["tasks"]] == [9, 10, 11]
    assert found["words"]["miou"] == 0.75
    assert found["words"]["labels"]["Cat"]["images"] == 2
    assert found["words"]["labels"]["Dog"]["iou"] is None
    assert found["tasks"][2] == {
        "task": 11, "images": 0, "words": {"miou": None, "precision": None, "recall": None,
        "boundary": None, "pieces": 0, "labels": {}}, "lessons": None, "left_out": ["no image"],
    }  # fmt: skip


def test_words_alone_are_one_column():
    one = Report({}, [TaskScores(1, 1, {"Cat": HALF}, None, ())])
    assert list(one.columns()) == [WORDS]
    assert one.as_json()["lessons"] is None


def test_the_worst_tasks_are_those_of_the_lowest_miou_with_lessons():
    assert [one.task_id for one in worst(report().tasks, 2)] == [9, 10]
    assert [one.task_id for one in worst(report().tasks, 1)] == [9]

"""The HTML page of an evaluation: escaped text, and only the pictures of the worst tasks."""

import base64
import io
import re

import numpy as np
from PIL import Image

from backend.commands.evaluation_page import PICTURE_PX, WorstTasks, evaluation_page
from backend.evaluation.report import Report, TaskScores
from backend.evaluation.task_comparison import PageComparison, TaskComparison

EVIL = '<script>alert("1")</script>'


def compared(task_id: object, share: float, label: str = "Cat", px: int = 40) -> TaskComparison:
    """A task whose prediction finds this share of the left half of its square image."""
    drawn, predicted = np.zeros((px, px), dtype=bool), np.zeros((px, px), dtype=bool)
    drawn[:, : px // 2] = True
    predicted[: round(px * share), : px // 2] = True
    image = np.full((px, px, 3), 128, dtype=np.uint8)
    page = PageComparison('image "photo"', image, {label: drawn}, {label: predicted}, None)
    return TaskComparison(task_id, [page])


def page_of(*tasks: TaskComparison, count: int = 10) -> str:
    report, worst_tasks = Report({}), WorstTasks(count)
    for task in tasks:
        report.tasks.append(scores := TaskScores.of(task))
        worst_tasks.add(scores, task)
    return evaluation_page(report, worst_tasks, f"Evaluation of {EVIL}", "about it")


def test_text_of_people_is_escaped():
    task = compared(EVIL, 0.5, label=EVIL)
    task.left_out.append(EVIL)
    page = page_of(task)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 5  # title, heading, row, task, swatch, what is left out


def test_the_worst_tasks_come_first_and_others_have_no_picture():
    shares = {"a": 0.9, "b": 0.2, "c": 0.5, "d": 1.0}
    page = page_of(*(compared(task, share) for task, share in shares.items()), count=2)
    assert re.findall(r"<h3>Task (\w)", page) == ["b", "c"]
    assert "mIoU 0.200 words alone" in page
    assert page.count("<img ") == 4


def test_a_large_image_is_shown_small():
    page = page_of(compared(1, 0.5, px=1500))
    uri = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)[0]
    with Image.open(io.BytesIO(base64.b64decode(uri))) as picture:
        assert picture.size == (PICTURE_PX, PICTURE_PX)

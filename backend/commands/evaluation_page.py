"""One HTML page of an evaluation, with all that it shows in it: the table, the worst tasks."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.commands.overlay import Layer, draw_masks
from backend.evaluation.agreement import mean_over_labels
from backend.evaluation.contours import TOLERANCE
from backend.evaluation.pieces import FORGIVEN_PX, SMALLEST_PIECE
from backend.evaluation.report import HEADINGS, LESSONS, WORDS, Report, TaskScores, number, worst
from backend.evaluation.task_comparison import PageComparison, TaskComparison
from backend.label_studio.label_colors import color_of
from backend.learning.annotation_masks import Masks

N_WORST = 10  # tasks in the page
PICTURE_PX = 480  # longest side

MEANING = (
    "Pixels and contours are pooled over all images. boundary: F-score of contours that meet "
    f"within {TOLERANCE:.2%} of the diagonal. pieces: connected regions to paint or erase, of at "
    f"least {SMALLEST_PIECE:.1%} of the image, where {FORGIVEN_PX} pixels at edges are forgiven; "
    "one that has the wrong label counts for both labels."
)

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #202124; margin: 2em auto; max-width: 96em;
       padding: 0 1.5em; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .25em .8em; text-align: right; border-bottom: 1px solid #e3e5e8; }
th:first-child, td:first-child { text-align: left; }
th.first[colspan] { text-align: left; }
.first { border-left: 1px solid #c4c8cc; }
tr:last-child td { font-weight: 600; }
.pictures { display: flex; gap: 1em; }
figure { margin: 0; flex: 0 1 auto; } figcaption { color: #5f6368; }
img { max-width: 100%; display: block; }
.swatch { display: inline-block; width: .8em; height: .8em; border-radius: .2em;
          margin: 0 .35em 0 1em; }
"""


@dataclass(frozen=True)
class Pictures:
    """The worst image of a task, as it was drawn and as it was predicted."""

    where: str
    labels: tuple[str, ...]  # that are in one of the pictures
    by_title: tuple[tuple[str, str], ...]  # (title, JPEG as a data: URI)


class WorstTasks:
    """Keeps pictures of the tasks of the lowest mIoU, and no other image."""

    def __init__(self, count: int = N_WORST) -> None:
        self._count = count
        self._colors: dict[str, tuple[int, int, int]] = {}  # a label has one in all pictures
        self._kept: list[TaskScores] = []
        self._pictures: dict[int, Pictures] = {}  # by id() of the kept scores

    def add(self, scores: TaskScores, compared: TaskComparison) -> None:
        self._kept = worst([*self._kept, scores], self._count)
        if any(one is scores for one in self._kept):
            self._pictures[id(scores)] = self._draw(min(compared.pages, key=page_miou))
        kept = {id(one) for one in self._kept}
        self._pictures = {key: one for key, one in self._pictures.items() if key in kept}

    def found(self) -> list[tuple[TaskScores, Pictures]]:
        """The worst first."""
        return [(scores, self._pictures[id(scores)]) for scores in self._kept]

    def swatch(self, label: str) -> str:
        """The label with its color, as HTML."""
        color = "#{:02x}{:02x}{:02x}".format(*self._color(label))
        return f'<span class="swatch" style="background:{color}"></span>{escape(label)}'

    def _draw(self, page: PageComparison) -> Pictures:
        columns = [("drawn by people", page.drawn), (WORDS, page.by_words)]
        if page.by_lessons is not None:
            columns.append((LESSONS, page.by_lessons))
        shown = {label for _, masks in columns for label, mask in masks.items() if mask.any()}
        labels = tuple(label for label in page.drawn if label in shown)
        return Pictures(
            page.where,
            labels,
            tuple((title, self._as_uri(page.image, masks, labels)) for title, masks in columns),
        )

    def _as_uri(self, image: NDArray[np.uint8], masks: Masks, labels: Sequence[str]) -> str:
        small = shrink(image, cv2.INTER_AREA)
        layers = [
            Layer(
                label,
                shrink(masks[label].astype(np.uint8), cv2.INTER_NEAREST) > 0,
                1.0,
                self._color(label),
            )
            for label in labels
            if label in masks
        ]
        stream = io.BytesIO()
        draw_masks(small, layers).save(stream, "JPEG", quality=80)
        return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()

    def _color(self, label: str) -> tuple[int, int, int]:
        return self._colors.setdefault(label, color_of(len(self._colors)))


def page_miou(page: PageComparison) -> float:
    found = mean_over_labels(page.agreement(page.best_informed), "iou")
    return 1.0 if found is None else found


def shrink(image: NDArray[np.uint8], interpolation: int) -> NDArray[np.uint8]:
    """The image with its longer side at most PICTURE_PX."""
    scale = PICTURE_PX / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(round(side * scale), 1) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)


def evaluation_page(report: Report, worst_tasks: WorstTasks, title: str, about: str) -> str:
    """The page. All text of people is escaped."""
    parts = [
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f"</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1><p>{escape(about)}</p>",
        _table(report),
        f"<p>{escape(report.summary())}</p>",
        f"<p>{MEANING}</p>",
        _worst(worst_tasks),
        _left_out(report),
        "</body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _table(report: Report) -> str:
    columns = list(report.columns())
    top = "".join(f'<th class="first" colspan="{len(HEADINGS)}">{escape(c)}</th>' for c in columns)
    heads = "".join(_row_cells(HEADINGS, "th") for _ in columns)
    body = []
    for label, found in report.rows():
        groups = [found[n : n + len(HEADINGS)] for n in range(0, len(found), len(HEADINGS))]
        row = "".join(_row_cells(group, "td") for group in groups)
        body.append(f"<tr><td>{escape(label)}</td>{row}</tr>")
    return f"<table><tr><th></th>{top}</tr>\n<tr><th></th>{heads}</tr>\n" + "\n".join(
        [*body, "</table>"]
    )


def _row_cells(texts: Sequence[str], tag: str) -> str:
    first, *others = (escape(text) for text in texts)
    return f'<{tag} class="first">{first}</{tag}>' + "".join(
        f"<{tag}>{text}</{tag}>" for text in others
    )


def _worst(worst_tasks: WorstTasks) -> str:
    parts = ["<h2>The worst tasks</h2>"]
    for scores, pictures in worst_tasks.found():
        ious = {WORDS: scores.by_words, LESSONS: scores.by_lessons}
        numbers = ", ".join(
            f"{number(mean_over_labels(found, 'iou'))} {how}"
            for how, found in ious.items()
            if found is not None
        )
        figures = "".join(
            f'<figure><img src="{uri}" alt="{escape(title)}">'
            f"<figcaption>{escape(title)}</figcaption></figure>"
            for title, uri in pictures.by_title
        )
        parts.append(
            f"<h3>Task {escape(str(scores.task_id))}, {escape(pictures.where)}</h3>"
            f"<p>mIoU {escape(numbers)} "
            f"{''.join(worst_tasks.swatch(label) for label in pictures.labels)}</p>"
            f'<div class="pictures">{figures}</div>'
        )
    return "\n".join(parts)


def _left_out(report: Report) -> str:
    items = [f"<li>Task {escape(task)}: {escape(why)}</li>" for task, why in report.left_out()]
    return f"<h2>Left out</h2><ul>{''.join(items)}</ul>" if items else ""

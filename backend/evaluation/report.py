"""The numbers of an evaluation: pooled over tasks by label, as JSON and as a table of text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.evaluation.agreement import MEASURES, Agreement, Agreements, mean_over_labels, pooled
from backend.evaluation.task_comparison import TaskComparison

HEADINGS = ("IoU", "precision", "recall", "boundary", "pieces")
WIDTHS = [max(len(heading), 5) for heading in HEADINGS]
ALL_LABELS = "mean (pieces: sum)"
WORDS, LESSONS = "words alone", "with the lessons of others"


@dataclass(frozen=True)
class TaskScores:
    """The numbers of one task, without its images."""

    task_id: object
    n_images: int
    by_words: Agreements
    by_lessons: Agreements | None
    left_out: Sequence[str]

    @staticmethod
    def of(compared: TaskComparison) -> "TaskScores":
        return TaskScores(
            compared.task_id,
            len(compared.pages),
            compared.by_words,
            compared.by_lessons,
            tuple(compared.left_out),
        )

    @property
    def miou(self) -> float:
        """With lessons, if they were used; 1 for a task with no label, drawn or predicted."""
        best = self.by_words if self.by_lessons is None else self.by_lessons
        found = mean_over_labels(best, "iou")
        return 1.0 if found is None else found


@dataclass
class Report:
    """`about`: of what and how, such as {"project": 12}; it goes into the JSON as it is."""

    about: Mapping[str, Any]
    tasks: list[TaskScores] = field(default_factory=list)

    @property
    def compared(self) -> list[TaskScores]:
        return [task for task in self.tasks if task.n_images]

    @property
    def n_images(self) -> int:
        return sum(task.n_images for task in self.tasks)

    def columns(self) -> dict[str, Agreements]:
        """What is compared with people's masks, by its heading, pooled over tasks."""
        columns: dict[str, Agreements] = {WORDS: pooled(task.by_words for task in self.compared)}
        if any(task.by_lessons is not None for task in self.compared):
            columns[LESSONS] = pooled(task.by_lessons or {} for task in self.compared)
        return columns

    def rows(self) -> list[tuple[str, list[str]]]:
        """(label, a cell for each of HEADINGS in each column), all labels last."""
        columns = list(self.columns().values())
        rows = [
            (label, [cell for one in columns for cell in cells(one.get(label, Agreement()))])
            for label in sorted(columns[0])
        ]
        mean = [cell for one in columns for cell in mean_cells(one)]
        return [*rows, (ALL_LABELS, mean)]

    def left_out(self) -> list[tuple[str, str]]:
        """(task, why something of it was not compared)."""
        return [(str(task.task_id), why) for task in self.tasks for why in task.left_out]

    def summary(self) -> str:
        """How much there is to fix, in one sentence."""
        parts = [
            f"{n_pieces(agreements) / max(self.n_images, 1):.1f} {how}"
            for how, agreements in self.columns().items()
        ]
        return f"Pieces to fix in an image: {', '.join(parts)}."

    def as_json(self) -> dict[str, Any]:
        columns = self.columns()
        return {
            **self.about,
            "images": self.n_images,
            "words": column_json(columns[WORDS]),
            "lessons": column_json(columns[LESSONS]) if LESSONS in columns else None,
            "tasks": [
                {
                    "task": task.task_id,
                    "images": task.n_images,
                    "words": column_json(task.by_words),
                    "lessons": None if task.by_lessons is None else column_json(task.by_lessons),
                    "left_out": list(task.left_out),
                }
                for task in sorted(self.tasks, key=lambda task: str(task.task_id).zfill(20))
            ],
        }

    def as_text(self) -> str:
        """The table, then the summary and what was left out."""
        rows, columns = self.rows(), list(self.columns())
        label_width = max(len(label) for label, _ in rows)
        indent = " " * label_width
        above = "".join(f"  {name:<{sum(WIDTHS) + 2 * len(WIDTHS) - 2}}" for name in columns)
        lines = [(indent + above).rstrip(), indent + aligned(HEADINGS * len(columns))]
        lines += [f"{label:<{label_width}}{aligned(found)}" for label, found in rows]
        lines += ["", self.summary()]
        lines += [f"Left out: task {task}: {why}" for task, why in self.left_out()]
        return "\n".join(lines)


def aligned(texts: Sequence[str]) -> str:
    """Texts of HEADINGS or of cells, of one or more columns, to the right of their places."""
    widths = WIDTHS * (len(texts) // len(WIDTHS))
    return "".join(f"  {text:>{width}}" for text, width in zip(texts, widths, strict=True))


def cells(agreement: Agreement) -> list[str]:
    return [*(number(getattr(agreement, name)) for name in MEASURES), str(agreement.pieces)]


def mean_cells(agreements: Agreements) -> list[str]:
    means = [number(mean_over_labels(agreements, name)) for name in MEASURES]
    return [*means, str(n_pieces(agreements))]


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def n_pieces(agreements: Agreements) -> int:
    return sum(one.pieces for one in agreements.values())


def column_json(agreements: Agreements) -> dict[str, Any]:
    """Measures 0..1, or null where nothing bears them; pieces are counts."""
    mean = {name: rounded(mean_over_labels(agreements, name)) for name in MEASURES}
    return {
        "miou": mean.pop("iou"),
        **mean,
        "pieces": n_pieces(agreements),
        "labels": {
            label: {
                **{name: rounded(getattr(one, name)) for name in MEASURES},
                "pieces": one.pieces,
                "images": one.images,
            }
            for label, one in agreements.items()
        },
    }


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def worst(scores: Iterable[TaskScores], count: int) -> list[TaskScores]:
    """The tasks of the lowest mIoU, the worst first."""
    return sorted((one for one in scores if one.n_images), key=lambda one: one.miou)[:count]

"""What a search for settings found, as a table of text and a recommendation."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from backend.evaluation.agreement import mean_over_labels, pooled
from backend.evaluation.paired import Difference
from backend.evaluation.report import n_pieces, number
from backend.evaluation.search import SearchResult
from backend.evaluation.settings_scores import Scores

HEADINGS = ("mIoU", "difference to today's, 95% interval", "pieces a task")
TAKEN = "*"
MOST_TASKS_NAMED = 1000


@dataclass(frozen=True)
class Recommendation:
    is_change: bool
    text: str


def table(result: SearchResult, today: Scores) -> str:
    """One line for each of the settings that were tried; each step goes on from what was taken."""
    lines = [cells("today's settings", "", today)]
    lines += [
        cells(f"{TAKEN if row.is_taken else ' '} {row.name}", shown(row.difference), row.scores)
        for row in result.rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, ("", *HEADINGS), strict=True)]
    rows = [("", *HEADINGS), *lines]
    return "\n".join(aligned(row, widths) for row in rows)


def cells(name: str, difference: str, scores: Scores) -> tuple[str, str, str, str]:
    found = pooled(scores)
    pieces = f"{n_pieces(found) / max(len(scores), 1):.1f}"
    return name, number(mean_over_labels(found, "iou")), difference, pieces


def aligned(texts: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(texts, widths, strict=True)
    line = f"{first[0]:<{first[1]}}" + "".join(f"  {text:>{width}}" for text, width in others)
    return line.rstrip()


def shown(difference: Difference) -> str:
    """ "+0.021 (+0.008 to +0.034)" """
    return f"{difference.mean:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"


def recommend(result: SearchResult) -> Recommendation:
    """A change, if its gain for tasks that took no part in choosing it is surely above zero."""
    taken = [row.name for row in result.rows if row.is_taken]
    if not taken:
        return Recommendation(
            False,
            "Keep what you have: no change that was tried gains more than its standard error.",
        )
    gain = result.honest
    what = f"The search takes {', then '.join(taken)}."
    honestly = f"{shown(gain)} in mIoU for tasks that took no part in choosing"
    if gain.is_gain:
        return Recommendation(True, f"{what} That gains {honestly}.")
    return Recommendation(
        False,
        f"Keep what you have. {what} But that gains {honestly}: it may be nothing, since the best "
        f"of {len(result.rows)} looks better than it is.{tasks_to_tell(gain)}",
    )


def tasks_to_tell(gain: Difference) -> str:
    """How many tasks would tell such a gain from zero; intervals shrink with their root."""
    if gain.mean <= 0:
        return ""
    reach = gain.mean - gain.low
    n_tasks = ceil(gain.n_tasks * (reach / gain.mean) ** 2)
    if n_tasks > MOST_TASKS_NAMED:
        return ""
    return f" About {n_tasks} annotated tasks would tell a gain of that size from none."


def notes(result: SearchResult) -> list[str]:
    """What was not tried, and why."""
    lines = []
    if result.not_tried:
        names = ", ".join(result.not_tried)
        lines.append(f"Not tried, for want of time (--max-minutes): {names}.")
    lines += [f"Cannot be used: {name}: {why}" for name, why in result.failed.items()]
    return lines

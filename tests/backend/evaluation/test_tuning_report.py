"""What is said of a search: its table, and the recommendation that its interval allows."""

import pytest

from backend.evaluation.agreement import Agreement
from backend.evaluation.paired import Difference
from backend.evaluation.search import Row, SearchResult
from backend.evaluation.tuning_report import notes, recommend, table
from backend.label_studio.project_settings import ProjectSettings

TODAY = [{"Cat": Agreement(1, 50, 25, 25, pieces=3)}, {"Cat": Agreement(1, 50, 25, 25, pieces=2)}]
BETTER = [{"Cat": Agreement(1, 75, 25, 0, pieces=1)}, {"Cat": Agreement(1, 75, 0, 25, pieces=0)}]


@pytest.fixture
def result(service):
    def make(honest: Difference, *, is_taken: bool = True, **more) -> SearchResult:
        rows = [
            Row("refiner pamr", TODAY, Difference(0.0, 0.0, 0.0, 8), False),
            Row("refiner guided", BETTER, Difference(0.25, 0.2, 0.3, 8), is_taken),
        ]
        today, chosen = (
            service.resolve_context("1.100", settings)
            for settings in (ProjectSettings(), ProjectSettings(refiner="guided"))
        )
        found = {"not_tried": [], "failed": {}} | more
        return SearchResult(today, chosen if is_taken else today, honest, rows, **found)

    return make


def test_the_table_has_todays_settings_and_marks_what_was_taken(result):
    found = table(result(Difference(0.2, 0.1, 0.3, 8)), TODAY)
    assert found.splitlines() == [
        "                   mIoU  difference to today's, 95% interval  pieces a task",
        "today's settings  0.500                                                 2.5",
        "  refiner pamr    0.500            +0.000 (+0.000 to +0.000)            2.5",
        "* refiner guided  0.750            +0.250 (+0.200 to +0.300)            0.5",
    ]


def test_a_gain_whose_interval_is_above_zero_is_recommended(result):
    found = recommend(result(Difference(0.2, 0.1, 0.3, 8)))
    assert found.is_change
    assert found.text == (
        "The search takes refiner guided. That gains +0.200 (+0.100 to +0.300) in mIoU for tasks "
        "that took no part in choosing."
    )


def test_a_gain_that_may_be_nothing_is_not_and_the_tasks_that_would_tell_are_named(result):
    """The interval reaches 0.375 to both sides with 8 tasks, so 0.125 with nine times as many."""
    found = recommend(result(Difference(0.125, -0.25, 0.5, 8)))
    assert not found.is_change
    assert found.text.startswith("Keep what you have. The search takes refiner guided. But ")
    assert "+0.125 (-0.250 to +0.500)" in found.text
    assert found.text.endswith("About 72 annotated tasks would tell a gain of that size from none.")


@pytest.mark.parametrize("mean", [-0.1, 0.0, 0.001])
def test_no_number_of_tasks_is_named_for_a_loss_or_next_to_nothing(result, mean):
    assert "would tell" not in recommend(result(Difference(mean, -0.3, 0.3, 8))).text


def test_where_nothing_was_taken_nothing_is_recommended(result):
    found = recommend(result(Difference(0.0, 0.0, 0.0, 8), is_taken=False))
    assert not found.is_change
    assert found.text.startswith("Keep what you have: no change that was tried")


def test_what_was_not_tried_and_what_failed_are_named(result):
    found = notes(
        result(
            Difference(0.0, 0.0, 0.0, 8),
            not_tried=["method gem", "refiner"],
            failed={"method sfp": "its tower has 3 blocks"},
        )
    )
    assert found == [
        "Not tried, for want of time (--max-minutes): method gem, refiner.",
        "Cannot be used: method sfp: its tower has 3 blocks",
    ]

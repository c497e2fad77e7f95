"""What a search takes and how honest its estimate is, on scores that are made up."""

from collections.abc import Sequence

import numpy as np
import pytest

from backend.evaluation.agreement import Agreement
from backend.evaluation.annotated_tasks import AnnotatedTask
from backend.evaluation.candidates import Step, values_of
from backend.evaluation.evaluator import Evaluator
from backend.evaluation.search import Search, SearchResult
from backend.evaluation.settings_scores import SettingsScores, settings_key
from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.project_context import ProjectContext
from model import REFINERS, TEMPLATES
from tests.support.annotations import CONFIG

TODAY = ProjectSettings()


class MadeUp:
    """A search over steps whose scores are given."""

    def __init__(self, service, n_tasks: int) -> None:
        self.service, self.n_tasks = service, n_tasks
        evaluator = Evaluator(
            service.segmenter, service.pages, self.context(TODAY), read_controls(CONFIG)
        )
        tasks = [AnnotatedTask(n, {}, ()) for n in range(n_tasks)]
        self.scores = SettingsScores(evaluator, tasks, uses_lessons=False, clock=lambda: 0.0)

    def context(self, settings: ProjectSettings) -> ProjectContext:
        found: ProjectContext = self.service.resolve_context("1.100", settings)
        return found

    def give(self, settings: ProjectSettings, iou: Sequence[float]) -> None:
        """These IoUs of one label in each task."""
        self.scores.scores[settings_key(self.context(settings))] = [
            {"Cat": Agreement(1, round(one * 1000), 1000 - round(one * 1000), 0)} for one in iou
        ]

    def give_all(self, iou_of, names: Sequence[str] = tuple(REFINERS)) -> None:
        for name in names:
            self.give(TODAY.model_copy(update={"refiner": name}), iou_of(name))

    def run(self, *steps: Step, deadline_s: float = 1.0) -> SearchResult:
        return Search(self.scores, self.context, steps, deadline_s).run()


@pytest.fixture
def made_up(service):
    return lambda n_tasks=10: MadeUp(service, n_tasks)


def test_what_gains_on_every_task_is_taken_and_its_gain_is_honest(made_up):
    search, start = made_up(), np.linspace(0.3, 0.6, 10)
    search.give(TODAY, start)
    search.give_all(lambda name: start + 0.1 if name == "pamr" else start - 0.05)
    found = search.run(values_of("refiner"))
    assert found.chosen.settings == ProjectSettings(refiner="pamr")
    assert [row.name for row in found.rows if row.is_taken] == ["refiner pamr"]
    assert found.honest.mean == pytest.approx(0.1)
    assert found.honest.is_gain


def test_a_step_goes_on_from_what_the_step_before_took(made_up):
    search, start = made_up(), np.linspace(0.3, 0.6, 10)
    search.give(TODAY, start)
    search.give_all(lambda name: start + 0.1 if name == "pamr" else start)
    for name in set(TEMPLATES) - {"imagenet80"}:  # the method's own
        both = ProjectSettings(refiner="pamr", templates=name)
        search.give(both, start + (0.2 if name == "street" else 0.0))
    found = search.run(values_of("refiner"), values_of("templates"))
    assert found.chosen.settings == ProjectSettings(refiner="pamr", templates="street")
    assert found.honest.mean == pytest.approx(0.2)


def test_the_best_of_many_that_differ_by_chance_is_no_gain_where_it_was_not_chosen(made_up):
    """The same noise for each: what is ahead on nine tasks is not on the tenth."""
    chosen, honest = [], []
    for seed in range(30):
        random, search = np.random.default_rng(seed), made_up(8)
        search.give(TODAY, np.full(8, 0.5))
        search.give_all(lambda _, random=random: 0.5 + random.normal(0, 0.05, 8))
        found = search.run(values_of("refiner"))
        gains = [row.difference.mean for row in found.rows if row.is_taken]
        chosen += gains or [0.0]
        honest.append(found.honest.mean)
        assert not found.honest.is_gain
    assert np.mean(honest) < 0.5 * np.mean(chosen)


def test_a_gain_within_its_standard_error_is_left(made_up):
    search, start = made_up(), np.full(10, 0.5)
    search.give(TODAY, start)
    once = start.copy()
    once[4] += 0.2
    search.give_all(lambda name: once if name == "pamr" else start)
    found = search.run(values_of("refiner"))
    assert found.chosen.settings == TODAY
    assert (found.honest.mean, found.honest.low, found.honest.high) == (0, 0, 0)


def test_what_cannot_be_used_is_said_and_not_taken(made_up):
    search, start = made_up(), np.full(10, 0.5)
    search.give(TODAY, start)
    search.give_all(lambda _: start)
    pamr = settings_key(search.context(ProjectSettings(refiner="pamr")))
    del search.scores.scores[pamr]
    search.scores.failures[pamr] = "it needs a GPU"
    found = search.run(values_of("refiner"))
    assert found.failed == {"refiner pamr": "it needs a GPU"}
    assert "refiner pamr" not in [row.name for row in found.rows]


def test_what_there_is_no_time_for_is_named(made_up):
    search, names = made_up(), list(REFINERS)
    search.give(TODAY, np.full(10, 0.5))
    search.scores.seconds_per_prediction = 0.1  # so that 10 tasks take 1 s
    search.give_all(lambda _: np.full(10, 0.5), names[:3])
    found = search.run(values_of("refiner"), deadline_s=0.9)
    assert found.not_tried == [f"refiner {name}" for name in names[3:]]
    assert [row.name for row in found.rows] == [f"refiner {name}" for name in names[:3]]


def test_tasks_without_anything_to_compare_do_not_count(made_up):
    search, start = made_up(8), np.full(8, 0.5)
    search.give(TODAY, start)
    search.give_all(lambda _: start + 0.1)
    for scores in search.scores.scores.values():
        scores[2] = {}
    found = search.run(values_of("refiner"))
    assert found.honest.n_tasks == 7
    assert found.honest.mean == pytest.approx(0.1)

"""The search for the settings that serve a project best, and an honest estimate of its gain.

Coordinate-wise from today's settings: each step takes the value of one field that gains most, if it
gains more than its standard error, a rule as in Breiman et al. 1984 (section 3.4.3) against changes
for the sake of noise. What was chosen as the best of many looks better than it is, on the tasks
that it was chosen by. So the whole search is also made without each of five folds, and the gain is
that of what these searches chose, each on its own fold (nested cross-validation: Varma and Simon
2006; Cawley and Talbot 2010). What is not nested: lessons of a fold's tasks take part in predicting
the others during its search, as they will when serving.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from backend.errors import OutOfTime
from backend.evaluation.agreement import pooled
from backend.evaluation.candidates import Step
from backend.evaluation.paired import (
    Counts,
    Difference,
    compare,
    counts_of,
    gain_of,
    standard_error,
)
from backend.evaluation.settings_scores import (
    Scores,
    SettingsKey,
    SettingsScores,
    features_key,
    settings_key,
)
from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.project_context import ProjectContext
from model import MethodError

N_SEARCHES = 5  # without the scores of one fold each
# Of the interval: scores of what five searches on overlapping tasks chose vary more than a resample
# of them shows. Nadeau and Bengio 2003: times the root of 1 + J * n_test / n_train for J folds.
WIDENING = math.sqrt(1 + N_SEARCHES / (N_SEARCHES - 1))
METHOD_SHARE = 0.5  # of the time, at most, for other features, since these cost most


@dataclass(frozen=True)
class Candidate:
    name: str  # "refiner guided"
    context: ProjectContext


@dataclass(frozen=True)
class Row:
    """Settings that were tried."""

    name: str
    scores: Scores
    difference: Difference  # to today's
    is_taken: bool


@dataclass
class SearchResult:
    today: ProjectContext
    chosen: ProjectContext  # by all tasks
    honest: Difference  # of what was chosen for tasks that did not take part in choosing it
    rows: list[Row]
    not_tried: list[str]  # for want of time: names of steps, or of single settings
    failed: dict[str, str]  # name -> why it cannot be used


@dataclass
class Search:
    scores: SettingsScores  # with today's
    resolve: Callable[[ProjectSettings], ProjectContext]
    steps: Sequence[Step]
    deadline_s: float  # on the clock of `scores`
    rows: list[Row] = field(default_factory=list)
    not_tried: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def run(self) -> SearchResult:
        """What serves best. Needs two tasks or more that can be compared."""
        today = self.scores.evaluator.context
        fold_of = [n % N_SEARCHES for n in range(len(self.scores.tasks))]
        # The settings so far: chosen by all tasks (None), and by those outside of each fold.
        chosen: dict[int | None, ProjectContext] = dict.fromkeys([None, *fold_of], today)
        started_s = self.scores.clock()
        method_deadline_s = started_s + METHOD_SHARE * (self.deadline_s - started_s)
        for number, step in enumerate(self.steps, 1):
            about = f"step {number} of {len(self.steps)}, {step.name}"
            deadline_s = method_deadline_s if step.name == "method" else self.deadline_s
            tried = {fold: self.candidates(step, before) for fold, before in chosen.items()}
            self.score([one for many in tried.values() for one in many], about, deadline_s)
            for fold, before in chosen.items():
                kept = [n for n in self.comparable if fold_of[n] != fold]
                chosen[fold] = self.best(before, tried[fold], kept)
            self.note_untried(step, tried[None])
            self.add_rows(tried[None], chosen[None])
            self.scores.forget_memories(but=chosen.values())
        unseen = np.stack([self.counts(chosen[fold_of[n]])[n] for n in self.comparable])
        honest = compare(self.counts(today)[self.comparable], unseen).widened(WIDENING)
        return SearchResult(today, chosen[None], honest, self.rows, self.not_tried, self.failed)

    @property
    def comparable(self) -> list[int]:
        """The tasks with a label to compare."""
        return [n for n, task in enumerate(self.scores.of(self.scores.evaluator.context)) if task]

    def candidates(self, step: Step, before: ProjectContext) -> list[Candidate]:
        """The step's settings that predict other than `before`, and than each other."""
        found = {settings_key(before): Candidate("", before)}
        for name, settings in step.variants(before.settings):
            try:
                context = self.resolve(settings)
            except MethodError as error:
                self.failed[name] = str(error)
                continue
            found.setdefault(settings_key(context), Candidate(name, context))
        return list(found.values())[1:]

    def score(self, candidates: Sequence[Candidate], about: str, deadline_s: float) -> None:
        """Score what is not known yet, as far as the time allows."""
        groups: dict[str, dict[SettingsKey, Candidate]] = {}
        for one in candidates:
            if not self.scores.is_known(one.context):
                group = groups.setdefault(features_key(one.context), {})
                group.setdefault(settings_key(one.context), one)
        for group in groups.values():
            fitting = list(group.values())
            each_s = self.scores.seconds_per_prediction * len(self.scores.tasks)
            left_s = deadline_s - self.scores.clock()
            if each_s:
                fitting = fitting[: max(0, int(left_s / each_s))]
            if fitting:
                name = fitting[0].name if len(fitting) == 1 else f"{len(fitting)} settings"
                try:
                    contexts = [one.context for one in fitting]
                    self.scores.add(contexts, f"{about}: {name}", deadline_s)
                except OutOfTime:
                    return

    def note_untried(self, step: Step, candidates: Sequence[Candidate]) -> None:
        late = [one.name for one in candidates if not self.scores.is_known(one.context)]
        self.not_tried += [step.name] if late and len(late) == len(candidates) else late

    def best(
        self, before: ProjectContext, candidates: Sequence[Candidate], tasks: Sequence[int]
    ) -> ProjectContext:
        """The candidate that gains most on these tasks, if that is more than its standard error."""
        scored = [one.context for one in candidates if self.is_scored(one)]
        start = self.counts(before)[tasks]
        gains = [gain_of(start, self.counts(context)[tasks]) for context in scored]
        if not gains:
            return before
        index = int(np.argmax(gains))
        error = standard_error(start, self.counts(scored[index])[tasks])
        return scored[index] if gains[index] > error else before

    def is_scored(self, one: Candidate) -> bool:
        key = settings_key(one.context)
        if key in self.scores.failures:
            self.failed[one.name] = self.scores.failures[key]
        return key in self.scores.scores

    def add_rows(self, candidates: Sequence[Candidate], taken: ProjectContext | None) -> None:
        today = self.counts(self.scores.evaluator.context)[self.comparable]
        for one in filter(self.is_scored, candidates):
            difference = compare(today, self.counts(one.context)[self.comparable])
            scores = self.scores.of(one.context)
            self.rows.append(Row(one.name, scores, difference, one.context is taken))

    def counts(self, context: ProjectContext) -> Counts:
        return counts_of(self.scores.of(context), self.labels)

    @cached_property
    def labels(self) -> list[str]:
        return sorted(pooled(self.scores.of(self.scores.evaluator.context)))

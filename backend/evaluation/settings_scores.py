"""How well a project's annotated tasks are predicted under many settings, each computed once.

Settings with the same features are scored together: an image is loaded once for all of them, its
features are computed once, and so is each memory. A task is predicted with the lessons of the tasks
of other folds, as `evaluate` does it, since lessons go on counting whatever is chosen.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from backend.errors import OutOfTime
from backend.evaluation.agreement import Agreements, pooled
from backend.evaluation.annotated_tasks import AnnotatedTask
from backend.evaluation.evaluator import Evaluator
from backend.evaluation.folds import FoldMemories, Lessons, Memories, folds
from backend.evaluation.task_comparison import TaskComparison, agreement_by_label, drawn_masks
from backend.label_studio.webhook_events import Annotation
from backend.prediction.feature_cache import Page
from backend.prediction.project_context import ProjectContext
from backend.prediction.task_targets import MaskTarget
from model import MethodConfig

SettingsKey = tuple[MethodConfig, bytes]  # equal for settings that predict the same
Scores = Sequence[Agreements]  # of each measured task


def settings_key(context: ProjectContext) -> SettingsKey:
    return context.method, context.settings.vocabulary_json()


def features_key(context: ProjectContext) -> str:
    """Equal for settings whose features, and so lessons, are the same."""
    if not context.method.encoder.reads_text:
        return context.space
    return f"{context.space} {settings_key(context)}"


@dataclass
class SettingsScores:
    """`scores` by settings_key; `failures` says why settings have none."""

    evaluator: Evaluator  # of today's settings; its `report` gets the progress
    tasks: Sequence[AnnotatedTask]  # `measure_today` takes out those that teach nothing
    uses_lessons: bool
    clock: Callable[[], float] = time.monotonic
    scores: dict[SettingsKey, Scores] = field(default_factory=dict)
    failures: dict[SettingsKey, str] = field(default_factory=dict)
    left_out: dict[object, list[str]] = field(default_factory=dict)  # task -> why, today
    seconds_per_prediction: float = 0.0  # of one task by settings whose features are known
    _memories: dict[str, FoldMemories] = field(default_factory=dict)
    _is_backwards: bool = False

    def measure_today(self) -> None:
        """Score today's settings, and keep the tasks that can be learned from and compared."""
        context, all_tasks = self.evaluator.context, self.tasks
        lessons, read = self.learn(context, "today's settings", math.inf)
        if self.uses_lessons:
            self.tasks = [task for task, found in zip(all_tasks, lessons, strict=True) if found]
            self.keep_memories(context, [found for found in lessons if found])
        (found,), compared = self.predict([context], "today's settings", math.inf)
        self.scores[settings_key(context)] = found
        self.left_out = {task.id: [] for task in all_tasks}
        for one in (*read, *compared):
            self.left_out[one.task_id] += one.left_out

    def of(self, context: ProjectContext) -> Scores:
        return self.scores[settings_key(context)]

    def reasons(self) -> list[str]:
        """Why tasks, or something of them, are left out."""
        return [f"task {task}: {why}" for task, many in self.left_out.items() for why in many]

    def is_known(self, context: ProjectContext) -> bool:
        key = settings_key(context)
        return key in self.scores or key in self.failures

    def add(self, contexts: Sequence[ProjectContext], about: str, deadline_s: float) -> None:
        """Score settings that share their features_key; those that cannot be used have failed.

        Raises OutOfTime at the deadline, on the clock, and keeps no score then.
        """
        reasons: list[str] = []
        if self.uses_lessons and features_key(contexts[0]) not in self._memories:
            lessons, read = self.learn(contexts[0], about, deadline_s)
            self.keep_memories(contexts[0], lessons)
            reasons += self.new_reasons(read)
        found, compared = self.predict(contexts, about, deadline_s)
        reasons += self.new_reasons(compared)
        for context, scores in zip(contexts, found, strict=True):
            if reasons:
                self.failures[settings_key(context)] = reasons[0]
            else:
                self.scores[settings_key(context)] = scores

    def learn(
        self, context: ProjectContext, about: str, deadline_s: float
    ) -> tuple[list[Lessons], list[TaskComparison]]:
        """What each task teaches in these features, and what cannot be read of it."""
        evaluator = replace(self.evaluator, context=context)
        lessons: list[Lessons] = []
        read = [TaskComparison(task.id) for task in self.tasks] if self.uses_lessons else []
        for n, one in enumerate(read):
            self.check_time(deadline_s)
            self.evaluator.report(f"{about}: lessons of task {one.task_id}, {n + 1} of {len(read)}")
            lessons.append(evaluator.lessons_of(self.tasks[n], one))
        return lessons, read

    def keep_memories(self, context: ProjectContext, lessons: Sequence[Lessons]) -> None:
        self._memories[features_key(context)] = FoldMemories(lessons, folds(len(lessons)))

    def forget_memories(self, but: Iterable[ProjectContext]) -> None:
        """Drop the memories of all features but those of these settings."""
        kept = {features_key(context) for context in but}
        self._memories = {key: made for key, made in self._memories.items() if key in kept}

    def predict(
        self, contexts: Sequence[ProjectContext], about: str, deadline_s: float
    ) -> tuple[list[list[Agreements]], list[TaskComparison]]:
        """For each of the settings the agreements of each task, and what cannot be compared.

        The order of the tasks turns each time: what was loaded last is at hand.
        """
        memories = self._memories.get(features_key(contexts[0]))
        n_tasks = len(self.tasks)
        order = range(n_tasks)[::-1] if self._is_backwards else range(n_tasks)
        self._is_backwards = not self._is_backwards
        found: list[list[Agreements]] = [[{}] * n_tasks for _ in contexts]
        read: list[TaskComparison] = []
        started_s = self.clock()
        for count, index in enumerate(order, 1):
            self.check_time(deadline_s)
            task = self.tasks[index]
            self.evaluator.report(f"{about}: predictions of task {task.id}, {count} of {n_tasks}")
            read.append(compared := TaskComparison(task.id))
            of_task = {} if memories is None else memories.for_task(index)
            for scores, one in zip(
                found, self.compare(contexts, task, of_task, compared), strict=True
            ):
                scores[index] = one
        n_predictions = max(n_tasks * len(contexts), 1)
        self.seconds_per_prediction = (self.clock() - started_s) / n_predictions
        return found, read

    def compare(
        self,
        contexts: Sequence[ProjectContext],
        task: AnnotatedTask,
        memories: Memories,
        compared: TaskComparison,
    ) -> list[Agreements]:
        """How far a task's first annotation agrees with what each of the settings predicts."""
        evaluators = [replace(self.evaluator, context=context) for context in contexts]
        pages: list[list[Agreements]] = [[] for _ in contexts]

        def add(annotation: Annotation, target: MaskTarget, page: Page) -> None:
            drawn = drawn_masks(annotation, target, page.features.image_hw)
            if drawn is None:
                return
            compared.left_out += drawn.left_out
            memory = memories.get(target.control.lesson_name)
            for evaluator, found in zip(evaluators, pages, strict=True):
                predicted = evaluator.predict(target, page, memory)
                found.append(agreement_by_label(drawn.masks, predicted))

        evaluators[0].for_each_page(task, task.annotations[:1], add, compared)
        return [pooled(found) for found in pages]

    def new_reasons(self, read: Iterable[TaskComparison]) -> list[str]:
        """Why something is left out that is not left out today."""
        return [
            why for one in read for why in one.left_out if why not in self.left_out[one.task_id]
        ]

    def check_time(self, deadline_s: float) -> None:
        if self.clock() >= deadline_s:
            raise OutOfTime("The time for the search is over.")

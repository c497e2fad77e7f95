"""Predicts annotated tasks as if they had taught nothing, by what all others taught.

Two passes, since a memory needs the lessons of all tasks: the first makes the lessons, the second
predicts and compares. Features of an image are computed once, as far as the cache of the pages
holds them; the second pass begins with the task that was read last for that.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from backend.errors import FirstpassError, SettingsError
from backend.evaluation.annotated_tasks import AnnotatedTask
from backend.evaluation.folds import FoldMemories, Lessons, Memories, folds
from backend.evaluation.task_comparison import (
    PageComparison,
    TaskComparison,
    drawn_masks,
    names_of,
)
from backend.label_studio.controls import Control
from backend.label_studio.webhook_events import Annotation
from backend.learning.annotation_masks import (
    Masks,
    has_information,
    labeled_regions,
    taught_masks,
)
from backend.prediction.feature_cache import Page
from backend.prediction.label_vocabulary import vocabulary_of
from backend.prediction.page_loader import PageLoader
from backend.prediction.project_context import ProjectContext
from backend.prediction.shown_regions import shown_regions
from backend.prediction.task_targets import MaskTarget, read_targets
from model import Lesson, Memory, ModelError, Segmenter

IMAGE_BUDGET_S = 600.0  # for one image in the model; nobody waits for an answer


@dataclass(frozen=True)
class Evaluator:
    segmenter: Segmenter
    pages: PageLoader
    context: ProjectContext
    controls: Sequence[Control]
    auth: tuple[str, str] | None = None  # of the project's task data
    report: Callable[[str], None] = field(default=lambda _: None)  # progress

    def with_lessons_of_others(self, tasks: Sequence[AnnotatedTask]) -> Iterator[TaskComparison]:
        """Each task, predicted by words alone and with the lessons of tasks of other folds.

        One that teaches nothing is not predicted, and says why in `left_out`. Raises SettingsError
        if lessons come from fewer than two tasks.
        """
        lessons: list[Lessons] = []
        for n, task in enumerate(tasks, 1):
            self.report(f"lessons of task {task.id}, {n} of {len(tasks)}")
            read = TaskComparison(task.id)
            lessons.append(self.lessons_of(task, read))
            if not lessons[-1]:
                yield explained(read)
        taught = [n for n, found in enumerate(lessons) if found]
        if len(taught) < 2:
            raise SettingsError(
                f"Only {len(taught)} of {len(tasks)} annotated tasks can be learned from, and "
                "leaving one out needs two. Annotate more, or compare words alone: --no-lessons."
            )
        memories = FoldMemories([lessons[n] for n in taught], folds(len(taught)))
        for n, index in enumerate(reversed(range(len(taught))), 1):
            task = tasks[taught[index]]
            self.report(f"predictions of task {task.id}, {n} of {len(taught)}")
            yield explained(self.compare(task, memories.for_task(index)))

    def by_words_alone(self, tasks: Sequence[AnnotatedTask]) -> Iterator[TaskComparison]:
        for n, task in enumerate(tasks, 1):
            self.report(f"predictions of task {task.id}, {n} of {len(tasks)}")
            yield explained(self.compare(task, None))

    def lessons_of(self, task: AnnotatedTask, read: TaskComparison) -> Lessons:
        """What all annotations of a task teach; what cannot be read is added to `read`."""
        found: list[tuple[str, Lesson]] = []

        def learn(annotation: Annotation, target: MaskTarget, page: Page) -> None:
            regions = labeled_regions(
                annotation, target.control, target.labels, target.image.page,
                page.features.image_hw,
            )  # fmt: skip
            read.left_out += regions.damaged.values()
            taught = taught_masks(annotation, regions)
            if taught is not None:
                vocabulary = vocabulary_of(target.labels, self.context.settings)
                lesson = self.segmenter.learn(
                    page.features, page.image, taught, vocabulary, self.context.method
                )
                found.append((target.control.lesson_name, lesson))

        self.for_each_page(task, task.annotations, learn, read)
        return found

    def compare(self, task: AnnotatedTask, memories: Memories | None) -> TaskComparison:
        """The predictions for a task beside its first annotation, on each page that it is about."""
        compared = TaskComparison(task.id)

        def add(annotation: Annotation, target: MaskTarget, page: Page) -> None:
            drawn = drawn_masks(annotation, target, page.features.image_hw)
            if drawn is None:
                return
            compared.left_out += drawn.left_out
            by_words, by_lessons = self.predict(target, page), None
            if memories is not None:
                memory = memories.get(target.control.lesson_name)
                by_lessons = by_words if memory is None else self.predict(target, page, memory)
            compared.pages.append(
                PageComparison(target.describe(), page.image, drawn.masks, by_words, by_lessons)
            )

        self.for_each_page(task, task.annotations[:1], add, compared)
        return compared

    def predict(self, target: MaskTarget, page: Page, memory: Memory | None = None) -> Masks:
        """The masks that a prediction would show, by label."""
        vocabulary = vocabulary_of(target.labels, self.context.settings)
        found = self.segmenter.segment(
            page.features, page.image, vocabulary, self.context.method, memory
        )
        names = names_of(target)
        masks: Masks = {}
        for one in shown_regions(found, target.control, target.labels, self.context.settings):
            name = names[one.label_index]
            masks[name] = masks[name] | one.mask if name in masks else one.mask
        return masks

    def for_each_page(
        self,
        task: AnnotatedTask,
        annotations: Sequence[Annotation],
        handle: Callable[[Annotation, MaskTarget, Page], None],
        read: TaskComparison,
    ) -> None:
        """Call `handle` with each page that an annotation is about; what fails is added to `read`.

        A page is loaded once for each control on it.
        """
        try:
            targets, failed = read_targets(self.controls, task.id, task.data)
        except FirstpassError as error:
            read.left_out.append(str(error))
            return
        read.left_out += [f"{one.where}: {one.error}" for one in failed]
        for target in targets:
            about = [
                one for one in annotations
                if has_information(one, target.control, target.image.page)
            ]  # fmt: skip
            if not about:
                continue
            try:
                page = self.load(target, task)
                for annotation in about:
                    handle(annotation, target, page)
            except (FirstpassError, ModelError) as error:
                read.left_out.append(f"{target.describe()}: {error}")

    def load(self, target: MaskTarget, task: AnnotatedTask) -> Page:
        return self.pages.load(
            target.image.uri,
            self.context,
            vocabulary_of(target.labels, self.context.settings),
            task_id=task.id,
            auth=self.auth,
            timeout_s=IMAGE_BUDGET_S,
        )


def explained(compared: TaskComparison) -> TaskComparison:
    """The same, which says so if there is nothing to compare."""
    if not compared.pages and not compared.left_out:
        compared.left_out.append("its annotations say nothing of masks of this labeling config")
    return compared

"""Which tasks teach when one is predicted: all others, or those of other folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from model import Lesson, Memory

ONE_BY_ONE = 20  # tasks; of more, folds are left out, since each memory takes about a second
N_FOLDS = 5

Memories = Mapping[str, Memory | None]  # by lesson_name of the control
Lessons = Sequence[tuple[str, Lesson]]  # with the lesson_name of the control that they are for


def folds(n_tasks: int) -> list[int]:
    """The fold of each task: one of its own, or one of N_FOLDS for many tasks."""
    n_folds = n_tasks if n_tasks <= ONE_BY_ONE else N_FOLDS
    return [n % n_folds for n in range(n_tasks)]


@dataclass(frozen=True)
class FoldMemories:
    """For each task the memories of what tasks of other folds teach; each is made at first use."""

    lessons: Sequence[Lessons]  # of each task
    fold_of: Sequence[int]  # of each task
    _made: dict[int, Memories] = field(default_factory=dict, repr=False)

    def for_task(self, index: int) -> Memories:
        fold = self.fold_of[index]
        if fold not in self._made:
            of_others = [
                found
                for found, its_fold in zip(self.lessons, self.fold_of, strict=True)
                if its_fold != fold
            ]
            self._made[fold] = memories_of(of_others)
        return self._made[fold]


def memories_of(lessons: Sequence[Lessons]) -> dict[str, Memory | None]:
    """The memory of each control."""
    by_control: dict[str, list[Lesson]] = {}
    for control, lesson in (pair for of_task in lessons for pair in of_task):
        by_control.setdefault(control, []).append(lesson)
    return {control: Memory.of(found) for control, found in by_control.items()}

"""What a run has done: counts, and the reason for each task that failed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

End = Literal["done", "failed", "stopped", "interrupted"]  # failed: some tasks

MAX_NAMED = 8  # tasks in one line


@dataclass(frozen=True)
class Failure:
    code: str  # as in /predict's answers
    message: str
    is_partial: bool  # what could be made is stored


@dataclass
class Outcome:
    n_made: Counter[str] = field(default_factory=Counter)  # predictions stored, by version
    n_there: int = 0  # tasks that have one of somebody else by now, or are gone
    failures: dict[int, Failure] = field(default_factory=dict)  # by task
    took_s: float = 0.0
    end: End = "stopped"
    why: str = ""  # it was stopped or interrupted

    @property
    def made(self) -> int:
        return sum(self.n_made.values())

    def fail(self, task_id: int, error: Mapping[str, str], *, is_partial: bool = False) -> None:
        self.failures[task_id] = Failure(error["code"], error["message"], is_partial)

    def as_json(self) -> dict[str, Any]:
        return {
            "made": self.made,
            "versions": dict(self.n_made),
            "there_already": self.n_there,
            "took_s": round(self.took_s, 1),
            "end": self.end,
            "why": self.why or None,
            "failures": [
                {"task": task_id, **vars(failure)}
                for task_id, failure in sorted(self.failures.items())
            ],
        }

    def as_text(self) -> str:
        rate = f", {self.made / self.took_s:.2f} a second" if self.took_s and self.made else ""
        lines = [f"{self.made} predictions made in {describe_s(self.took_s)}{rate}"]
        lines += [f"  {count:>6} of version {name}" for name, count in self.n_made.items()]
        if self.n_there:
            lines.append(f"{self.n_there} tasks got one from elsewhere meanwhile, or are gone")
        if len(self.n_made) > 1:
            lines.append("The version changed meanwhile: run again to have the newest for all.")
        by_reason: dict[tuple[str, bool], list[int]] = {}
        for task_id, failure in sorted(self.failures.items()):
            by_reason.setdefault((failure.message, failure.is_partial), []).append(task_id)
        for (message, is_partial), tasks in by_reason.items():
            how = "answered in part" if is_partial else "failed"
            lines.append(f"{len(tasks)} {how}, {name_tasks(tasks)}: {message}")
        if self.why:
            lines.append(self.why)
        return "\n".join(lines)


def name_tasks(tasks: list[int]) -> str:
    """ "tasks 3, 57" """
    more = f" and {len(tasks) - MAX_NAMED} more" if len(tasks) > MAX_NAMED else ""
    return f"task{'s' if len(tasks) > 1 else ''} {', '.join(map(str, tasks[:MAX_NAMED]))}{more}"


def describe_s(seconds: float) -> str:
    """ "2 h 5 min", "3 min 20 s", "12 s" """
    minutes, rest_s = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest_s} s" if minutes else f"{rest_s} s"

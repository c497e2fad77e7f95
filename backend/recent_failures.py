"""What failed lately, by project and cause, for /ready: Label Studio shows its users none of it."""

import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from cachetools import TTLCache

from backend.errors import FirstpassError
from model import ModelError

MAX_FAILURES = 100  # pairs of project and cause
MAX_CHARS = 500  # of a message
MAX_ID_CHARS = 100  # of a task
KEPT_S = 3600.0  # after the last of its kind


@dataclass(frozen=True)
class Failure:
    project: str
    during: str  # "predict" or "learn"
    code: str  # `error_code`
    count: int  # since the last hour without one
    task: Any  # id of the latest
    message: str  # of the latest
    last_s: int  # s since 1970


def error_code(error: Exception) -> str:
    """The word for an error's cause in answers and metrics; "internal" for an unexpected one."""
    if isinstance(error, FirstpassError):
        return error.code
    return "model" if isinstance(error, ModelError) else "internal"


def _short(task: Any) -> Any:
    """The id of a task, which a request may make as long as itself."""
    if isinstance(task, str):
        return task[:MAX_ID_CHARS]
    return task if task is None or isinstance(task, int | float) else "?"


class RecentFailures:
    """Of this process. Safe between threads."""

    def __init__(self) -> None:
        self._found: TTLCache[tuple[str, str, str], Failure] = TTLCache(MAX_FAILURES, KEPT_S)
        self._lock = threading.Lock()

    def add(
        self,
        project: str,
        during: str,
        code: str,
        message: str,
        *,
        task: Any = None,
        count: int = 1,
    ) -> None:
        key = (project, during, code)
        with self._lock:
            before = self._found[key].count if key in self._found else 0
            self._found[key] = Failure(
                project,
                during,
                code,
                before + count,
                _short(task),
                message[:MAX_CHARS],
                int(time.time()),
            )

    def as_json(self) -> list[dict[str, Any]]:
        """Newest first."""
        with self._lock:
            found = list(self._found.values())
        return [asdict(one) for one in sorted(found, key=lambda one: -one.last_s)]

"""What failed lately, by project and cause, for /ready: Label Studio shows its users none of it."""

import logging
import threading
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson
from cachetools import TTLCache

from backend.errors import FirstpassError, OutOfMemory
from backend.worker_group import WorkerGroup
from model import ModelError, is_out_of_memory

MAX_FAILURES = 100  # pairs of project and cause
MAX_CHARS = 500  # of a message
MAX_ID_CHARS = 100  # of a task
SUBJECT = "failures"  # among workers
KEPT_S = 3600.0  # after the last of its kind

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    project: str
    during: str  # "setup", "predict" or "learn"
    code: str  # `error_code`
    count: int  # since the last hour without one
    task: Any  # id of the latest
    message: str  # of the latest
    last_s: int  # s since 1970


def explained(error: Exception) -> Exception:
    """The error; instead of one that says that no memory was left, OutOfMemory with the remedy."""
    if not is_out_of_memory(error):
        return error
    log.info("No memory was left: %s", str(error).partition("\n")[0] or type(error).__name__)
    return OutOfMemory(
        "There was no memory left for this. Ask again when less is running; if it lasts, give the "
        "service more, or set BATCH_IMAGES=1, and THREADS, IMAGE_MEMORY_MB or FEATURE_CACHE_MB "
        "lower."
    )


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
    """Of this process and the other workers of its group. Safe between threads."""

    def __init__(self, group: WorkerGroup | None = None) -> None:
        self._group = group
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
            if self._group is not None:
                own = [asdict(one) for one in self._found.values()]
                self._group.tell(SUBJECT, orjson.dumps(own))

    def as_json(self) -> list[dict[str, Any]]:
        """Newest first."""
        with self._lock:
            found = list(self._found.values())
        for told in self._group.told_by_others(SUBJECT) if self._group else ():
            found += [Failure(**one) for one in orjson.loads(told)]
        return [asdict(one) for one in sorted(joined(found), key=lambda one: -one.last_s)]


def joined(found: list[Failure]) -> list[Failure]:
    """One for each project and cause, of all processes; those of the last hour."""
    newest: dict[tuple[str, str, str], Failure] = {}
    for one in found:
        key = (one.project, one.during, one.code)
        if one.last_s < time.time() - KEPT_S:
            continue
        if before := newest.get(key):
            last = max(before, one, key=lambda failure: failure.last_s)
            one = replace(last, count=before.count + one.count)
        newest[key] = one
    return list(newest.values())

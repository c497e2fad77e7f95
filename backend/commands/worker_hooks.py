"""What gunicorn's own process does for several workers: makes what they share, and removes it."""

import os
import sys
from typing import Any

from backend.errors import StoreError
from backend.settings import Settings, set_for_libraries
from backend.store.valkey_binary import valkey_binary
from backend.worker_group import begin_group, worker_group


def worker_hooks(settings: Settings) -> dict[str, Any]:
    """gunicorn's settings for its hooks, by their names in its documentation."""

    def on_starting(arbiter: Any) -> None:
        """Before it listens: its number of workers is WORKERS, or that of its command line."""
        if arbiter.cfg.workers > 1:
            check_that_they_share_a_store(settings, arbiter.cfg.workers)
            group = begin_group(arbiter.cfg.workers)
            set_for_libraries({"PROMETHEUS_MULTIPROC_DIR": str(group.folder)})
            threads = threads_each(arbiter.cfg.workers)
            set_for_libraries({"OMP_NUM_THREADS": str(threads)}, but_for_given=True)

    return {"on_starting": on_starting, "child_exit": note_end_of_worker, "on_exit": remove_group}


def note_end_of_worker(_arbiter: Any, worker: Any) -> None:
    """However it ended."""
    group = worker_group()
    if group is not None and group.folder.exists():
        from prometheus_client.multiprocess import mark_process_dead

        group.note_end_of(str(worker.pid))
        mark_process_dead(worker.pid, str(group.folder))


def remove_group(_arbiter: Any) -> None:
    group = worker_group()
    if group is not None:
        group.remove()


def check_that_they_share_a_store(settings: Settings, n_workers: int) -> None:
    """End the process with a sentence if there is no store, in which projects are kept."""
    if settings.redis_url:
        return
    try:
        valkey_binary()
    except StoreError as error:
        sys.exit(
            f"Firstpass cannot start. {n_workers} workers need a store that they share: without "
            f"one each would have settings and lessons of its own. {error} Or set WORKERS=1."
        )


def threads_each(n_workers: int) -> int:
    """Threads of PyTorch in each worker: their share of the cores that the process may use."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max((n_cores or 1) // n_workers, 1)

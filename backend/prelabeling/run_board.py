"""The background runs of all workers and replicas, as each of them sees them in the store.

A run is published by the process that has it, and goes on for as long as its lock is held. Others
read which tasks it is at work on, and hand it further ones. When its process is killed, what it
published is kept for a while: another process takes the run over when the lock has expired.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import redis
from cachetools import TTLCache

from backend.errors import StoreError
from backend.prelabeling.background_run import BackgroundRun
from backend.store.keys import BACKGROUND_PROJECTS_KEY, background_keys, prelabel_lock_key
from backend.store.store import Store, execute_pipeline

KEPT_S = 600.0  # of a run whose process was killed, for another to take it over
BEAT_S = 1.0  # between two publications of a run, whose counts are so old elsewhere
SEEN_FOR_S = 1.0  # for which what others are at work on is not asked again
MAX_SEEN = 1000  # projects

# Hands tasks to a run, if there is one; whether there is. KEYS: run, tasks, handed. ARGV: ids.
HAND_SCRIPT = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for _, id in ipairs(ARGV) do
    if redis.call('SADD', KEYS[2], id) == 1 then redis.call('RPUSH', KEYS[3], id) end
end
local left_ms = redis.call('PTTL', KEYS[1])
redis.call('PEXPIRE', KEYS[2], left_ms)
redis.call('PEXPIRE', KEYS[3], left_ms)
return 1
"""

# What was handed to a run; with 1 as ARGV the run ends if that is nothing. KEYS: as above.
TAKE_SCRIPT = """
local handed = redis.call('LRANGE', KEYS[3], 0, -1)
redis.call('DEL', KEYS[3])
if #handed == 0 and ARGV[1] == '1' then redis.call('DEL', KEYS[1], KEYS[2]) end
return handed
"""


class RunBoard:
    """Safe between threads. While the store is down no other process has a run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._publishing = threading.Lock()
        self._seen: TTLCache[str, frozenset[int]] = TTLCache(MAX_SEEN, SEEN_FOR_S)
        self._lock = threading.Lock()

    # --- by the process that has the run

    def publish(self, run: BackgroundRun, added: Sequence[int] = ()) -> None:
        """Its counts, and what was added to it or has failed; all of it is kept for a while."""
        run_key, tasks_key, handed_key = background_keys(run.project)
        failed = run.new_failures()
        counts: Any = run.counts()

        def write(client: redis.Redis) -> None:
            pipeline = client.pipeline(transaction=False)
            pipeline.hset(run_key, mapping=counts)
            if added:
                pipeline.sadd(tasks_key, *added)
            if failed:
                pipeline.srem(tasks_key, *failed)
            pipeline.sadd(BACKGROUND_PROJECTS_KEY, run.project)
            for key in (run_key, tasks_key, handed_key):
                pipeline.pexpire(key, int(1000 * KEPT_S))
            execute_pipeline(pipeline)

        # It goes on without the others' knowledge if the store is away.
        with self._publishing, contextlib.suppress(StoreError):
            if run.is_over:
                return
            self._store.run("publish a background run", write)

    def take_handed(self, run: BackgroundRun, *, or_end: bool = False) -> list[int]:
        """Tasks that others handed to the run; with `or_end` it is over if there are none."""
        handed: list[int] = []
        with self._publishing:
            with contextlib.suppress(StoreError):
                handed = [int(one) for one in self._eval(TAKE_SCRIPT, run.project, int(or_end))]
            run.is_over = or_end and not handed
        return handed

    def keep_up(self, run: BackgroundRun, has_ended: threading.Event) -> None:
        """Publish the run until it has ended, and add what is handed to it."""
        while not has_ended.wait(BEAT_S):
            run.add(self.take_handed(run))
            self.publish(run)

    def remove(self, project: str) -> None:
        with contextlib.suppress(StoreError):
            self._store.run(
                "end a background run", lambda client: client.delete(*background_keys(project))
            )

    # --- by the others

    def hand(self, project: str, task_ids: Iterable[int]) -> bool:
        """Whether there is a run of another process that takes these tasks on.

        Raises StoreError.
        """
        return bool(self._eval(HAND_SCRIPT, project, *task_ids))

    def at_work_on(self, project: str) -> frozenset[int]:
        """Tasks on their way or made by a run that goes on, as of the last second."""
        with self._lock:
            if (known := self._seen.get(project)) is not None:
                return known
        tasks = frozenset(self.left_by(project)) if self.is_held(project) else frozenset()
        with self._lock:
            self._seen[project] = tasks
        return tasks

    def left_by(self, project: str) -> list[int]:
        """Tasks of a project's run, whether it goes on or its process was killed."""
        found = self._read(lambda client: client.smembers(background_keys(project)[1]), set())
        return sorted(int(one) for one in found)

    def is_held(self, project: str) -> bool:
        """Whether a run on the project goes on, that of a killed process for some seconds."""
        return bool(self._read(lambda client: client.exists(prelabel_lock_key(project)), 0))

    def projects(self) -> list[str]:
        names = self._read(lambda client: client.smembers(BACKGROUND_PROJECTS_KEY), set())
        return sorted(name.decode(errors="replace") for name in names)

    def rows(self) -> list[dict[str, Any]]:
        """Of all projects with a run, for /ready."""
        projects = self.projects()

        def read(client: redis.Redis) -> list[Any]:
            pipeline = client.pipeline(transaction=False)
            for project in projects:
                pipeline.hgetall(background_keys(project)[0])
            return execute_pipeline(pipeline)

        counts = self._read(read, []) if projects else []
        if over := [one for one, found in zip(projects, counts, strict=False) if not found]:
            self._read(lambda client: client.srem(BACKGROUND_PROJECTS_KEY, *over), 0)
        return [
            {"project": project, **{key.decode(): int(n) for key, n in found.items()}}
            for project, found in zip(projects, counts, strict=False)
            if found
        ]

    def _read(self, action: Callable[[redis.Redis], Any], otherwise: Any) -> Any:
        try:
            return self._store.run("read background runs", action)
        except StoreError:
            return otherwise

    def _eval(self, script: str, project: str, *arguments: Any) -> Any:
        keys = background_keys(project)
        return self._store.run(
            "hand on tasks", lambda client: client.eval(script, len(keys), *keys, *arguments)
        )

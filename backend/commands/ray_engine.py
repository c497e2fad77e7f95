"""Predicts tasks on a cluster of Ray: actors that hold the model, fed by Ray Data.

Ray Data starts a lost actor again, here or on another node, and repeats what it had in hand. Each
answer comes once, and the driver alone stores it.
"""

import math
import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from backend.commands.thread_engine import thread_engine
from backend.errors import FirstpassError, SettingsError
from backend.prelabeling.engines import Answer, Job
from backend.service import Service
from backend.settings import Settings

BATCH_TASKS = 8  # handed to an actor at once, and repeated if it is lost
MAX_RESTARTS = -1  # of an actor: as often as its node or process is lost
MAX_RETRIES = 3  # of a batch: an image may be what ends its actor


def ray_engine(service: Service) -> "RayEngine":
    """Raises SettingsError without Ray."""
    import_ray()
    return RayEngine(service.settings)


@dataclass(frozen=True)
class RayEngine:
    settings: Settings

    def __call__(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        """Raises SettingsError if the nodes share no store, FirstpassError if Ray gives up."""
        ray = import_ray()
        known = list(jobs)  # Ray Data reads no stream: all open tasks are listed first
        if not known:
            return
        if not ray.is_initialized():
            ray.init(log_to_driver=False)  # RAY_ADDRESS, or a cluster of this machine alone
        n_actors, resources = share_out(ray, self.settings)
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = [{"number": n, "job": pickle.dumps(job)} for n, job in enumerate(known)]
        blocks = ray.data.from_items(rows, override_num_blocks=math.ceil(len(rows) / BATCH_TASKS))
        answers = blocks.map_batches(
            PredictingActor,
            fn_constructor_args=(self.settings,),
            batch_size=BATCH_TASKS,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(size=n_actors),
            max_restarts=MAX_RESTARTS,
            max_task_retries=MAX_RETRIES,
            **resources,
        )
        try:
            for row in answers.iter_rows():
                yield known[int(row["number"])], orjson.loads(row["item"])
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise FirstpassError(f"Ray gave up on a batch of tasks: {reason:.300}.") from error


class PredictingActor:
    """Loads the model once; called with a batch of jobs, returns their items as JSON."""

    def __init__(self, settings: Settings) -> None:
        self._engine = thread_engine(Service(settings))

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        jobs = [pickle.loads(data) for data in batch["job"]]  # noqa: S301, our driver's own
        number_of = {id(job): n for job, n in zip(jobs, batch["number"], strict=True)}
        found: dict[str, list[Any]] = {"number": [], "item": []}
        for job, item in self._engine(jobs):
            found["number"].append(number_of[id(job)])
            found["item"].append(orjson.dumps(item, option=orjson.OPT_SERIALIZE_NUMPY))
        return found


def share_out(ray: Any, settings: Settings) -> tuple[int, dict[str, float]]:
    """How many actors, and what each has: one GPU, or all but one core of a node without any."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if len(nodes) > 1 and not settings.redis_url:
        raise SettingsError(
            f"The cluster has {len(nodes)} nodes, which share lessons and what was shown through "
            "Redis: set REDIS_URL."
        )
    if n_gpus := int(sum(node.get("GPU", 0) for node in nodes)):
        return n_gpus, {"num_gpus": 1}
    cores = [int(node.get("CPU", 0)) for node in nodes]
    return max(sum(n > 0 for n in cores), 1), {"num_cpus": max(min(filter(None, cores)) - 1, 1)}


def import_ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise SettingsError(
            "--engine ray needs Ray: .venv/bin/python -m pip install -r requirements-ray.txt."
        ) from error
    return ray

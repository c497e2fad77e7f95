"""`python -m backend prelabel`: predictions for a whole project, stored by Label Studio's API."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backend.commands.output_files import check_file, save_text
from backend.commands.prelabel_project import ConnectedProject
from backend.commands.progress import progress_bar
from backend.commands.ray_engine import ray_engine
from backend.commands.thread_engine import thread_engine
from backend.errors import SettingsError, StoreError
from backend.label_studio.client import LabelStudio
from backend.prelabeling.engines import Engine
from backend.prelabeling.importer import Importer
from backend.prelabeling.open_tasks import OpenTasks, Order
from backend.prelabeling.outcome import Outcome
from backend.prelabeling.prelabeler import Prelabeler
from backend.prelabeling.run_lock import RunLock, locked
from backend.service import Service
from model import ModelError

REQUEST_TIMEOUT_S = 60.0  # for Label Studio: a page of a large project takes it seconds
ENGINES: dict[str, Callable[[Service], Engine]] = {
    "threads": thread_engine,
    "ray": ray_engine,
}
EXIT_CODES = {"done": 0, "stopped": 1, "failed": 3, "interrupted": 130}


@dataclass(frozen=True)
class PrelabelOptions:
    project: int
    limit: int | None = None
    only_unlabeled: bool = False
    order: Order = "oldest"
    engine: str = "threads"  # one of ENGINES
    is_dry_run: bool = False
    report: Path | None = None


def prelabel(
    service: Service, options: PrelabelOptions, say: Callable[[str], None]
) -> tuple[str, int]:
    """The text to print, and the exit code. `say` gets a line for what happens on the way.

    Raises FirstpassError if nothing could be begun.
    """
    if options.report:
        check_file(options.report, "--report", example="report.json")
    try:
        if not service.store.is_up():  # it has the lessons, the lock, and what was shown
            raise StoreError(service.store.describe()["degraded"])
        settings = service.settings
        studio = LabelStudio(
            settings.label_studio_url,
            settings.label_studio_api_key or None,
            timeout_s=REQUEST_TIMEOUT_S,
        )
        project = ConnectedProject(service, studio, options.project, say)
        say(f"project {options.project}: loading the model; {project.about_settings}")
        engine = ENGINES[options.engine](service)
        version = project.target().version
        for note in project.notes(version):
            say(f"note: {note}")
        tasks = OpenTasks(
            studio, project.patience, options.project, options.order, options.only_unlabeled
        )
        if options.is_dry_run:
            return describe_open(tasks, options, version), EXIT_CODES["done"]
        with locked(RunLock(service.store, project.key), say) as lock:
            outcome = predict_open(engine, project, tasks, options, lock)
    except ModelError as error:
        raise SettingsError(str(error)) from error
    finally:
        service.store.close()
    text = f"project {options.project}: {outcome.as_text()}"
    if options.report:
        report = {"project": options.project, **outcome.as_json()}
        save_text(json.dumps(report, indent=1) + "\n", options.report)
        text += f"\nreport: {options.report}"
    return text, EXIT_CODES[outcome.end]


def predict_open(
    engine: Engine,
    project: ConnectedProject,
    tasks: OpenTasks,
    options: PrelabelOptions,
    lock: RunLock,
) -> Outcome:
    with progress_bar("tasks") as bar:
        return Prelabeler(
            tasks=tasks,
            importer=Importer(tasks.studio, tasks.patience, tasks.project),
            engine=engine,
            current_target=project.target,
            is_lock_lost=lock.is_lost,
            progress=bar,
            limit=options.limit,
        ).run()


def describe_open(tasks: OpenTasks, options: PrelabelOptions, version: str) -> str:
    """What a run would do."""
    page = tasks.page_after(None, version)
    n_partial = tasks.partial_page_after(None, version).n_left
    n_open = page.n_left + n_partial
    wanted = n_open if options.limit is None else min(n_open, options.limit)
    partial = f", {n_partial} of them a part" if n_partial else ""
    first = f", the first is task {page.tasks[0]['id']}" if page.tasks else ""
    return (
        f"project {options.project}: {n_open} tasks lack a prediction of {version}{partial}; "
        f"{wanted} would be predicted{first}. Nothing was done (--dry-run)."
    )

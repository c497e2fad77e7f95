"""`python -m backend memory learn`: has a project's annotations learned that exist already."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from backend.commands.progress import progress_bar
from backend.commands.project_name import is_full_name
from backend.errors import SettingsError
from backend.evaluation.annotated_tasks import get_project, list_annotated
from backend.label_studio.client import LabelStudio
from backend.label_studio.later_events import event_project_of
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.webhook_events import project_key
from backend.learning.unlearned import NO_ROOM, TOO_MANY, Candidate, Learned, Unlearned
from backend.memory.project_summary import NEWEST
from backend.service import Service
from model import ModelError

MAX_UNREADABLE_LINES = 10
REQUEST_TIMEOUT_S = 60.0  # for Label Studio: a page of a large project takes it seconds


def learn_project(service: Service, name: str, say: Callable[[str], None]) -> str:
    """Queue an event for each annotation that is left to learn; the text to print.

    `name`: the project's number, or as `memory show` lists it. `say` gets a line for what happens
    on the way. Raises FirstpassError.
    """
    if not service.is_learning:
        raise SettingsError(
            "LEARN=off: nothing would be learned. Set LEARN=on, here and for `serve`."
        )
    number = name.partition(".")[0]
    if not number.isdecimal():
        raise SettingsError(f"{name!r} is no project: give its number, as in Label Studio's URLs.")
    settings = service.settings
    studio = LabelStudio(
        settings.label_studio_url,
        settings.label_studio_api_key or None,
        timeout_s=REQUEST_TIMEOUT_S,
    )
    described = get_project(studio, int(number))
    # Label Studio asks its models for their versions now, which brings their settings here.
    models = studio.get_json("/api/ml/", {"project": int(number)})
    project = known_project(service, event_project_of(described), name)
    try:
        return learn_known(service, studio, project, models, say)
    except ModelError as error:
        raise SettingsError(str(error)) from error


def known_project(service: Service, project: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The project as events name it here. Raises SettingsError unless a /setup named it."""
    key, number, known = project_key(project), str(project["id"]), service.projects.names()
    if is_full_name(name) and name != key:
        raise SettingsError(f"Label Studio's project {number} is {key}, not {name}.")
    if key in known:
        return project
    if number in known:  # the plugin for label-studio-ml names projects by their id alone
        return {**project, "created_at": None}
    raise SettingsError(
        f"Project {number} is not known here, nor with which settings it learns: connect the "
        "model to it first (Settings > Model), and start this with the DATA_DIR or REDIS_URL "
        "of `serve`."
    )


def learn_known(
    service: Service,
    studio: LabelStudio,
    project: Mapping[str, Any],
    models: Any,
    say: Callable[[str], None],
) -> str:
    key, number = project_key(project), int(project["id"])
    title = f"{project.get('title')!r} (project {number})"
    say(f"{title}: loading the model")
    settings = service.projects.settings_of(key)
    context = service.resolve_context(key, settings)
    version = service.annotator.version(settings, key, str(project.get("label_config") or ""))
    for note in notes(models, settings, version):
        say(f"note: {note}")
    learned = Learned.of(service.lessons, service.events, key, context.space)
    backlog = service.events.backlog
    unlearned = Unlearned(service.lessons, key, project, learned, backlog.max_bytes)
    with progress_bar("tasks") as bar:
        for task in list_annotated(studio, number):
            unlearned.add_task(task)
            bar.advance(1, len(unlearned.unreadable))
    chosen = unlearned.chosen()
    queued = []
    for one in chosen:
        if not backlog.add(one.value):
            break
        queued.append(one)
    unlearned.left_out[NO_ROOM] += len(chosen) - len(queued)
    if queued or learned.waiting:  # also for those of a command that was stopped here
        service.events.push({"action": "START_TRAINING", "project": project})
    return report(title, queued, unlearned)


def notes(models: Any, settings: ProjectSettings, version: str) -> list[str]:
    """Why what is queued may not be learned, or not be used. `models`: as /api/ml/ lists them."""
    rows = [row for row in models if isinstance(row, Mapping)] if isinstance(models, list) else []
    others = sorted({str(row.get("model_version")) for row in rows} - {version})
    found = []
    if not any(row.get("state") == "CO" for row in rows):
        found.append(
            "Label Studio reaches no model of this project now: what is queued waits for `serve`."
        )
    elif len(others) == len(rows):
        found.append(
            f"Label Studio's model is at version {', '.join(others)}, this command would make "
            f"{version}: start it with the settings, DATA_DIR and REDIS_URL of `serve`, or what "
            "is learned already is told wrongly."
        )
    if settings.memory_version != NEWEST:
        found.append(
            f"the project's extra params say memory_version {settings.memory_version}: what is "
            f"learned now is used once they say {NEWEST}."
        )
    return found


def report(title: str, queued: Sequence[Candidate], unlearned: Unlearned) -> str:
    """What is queued, what is left out and why, and how to see what becomes of it."""
    left_out = [f"{n} {why}" for why, n in unlearned.left_out.items() if n]
    lines = []
    if queued:
        lines.append(
            f"{len(queued)} annotations of {title} are in the queue; a running Firstpass learns "
            "from them, and makes a version of all."
        )
    elif left_out or unlearned.unreadable:
        lines.append(f"Nothing of {title} is queued.")
    else:
        lines.append(
            f"{title} has no annotations to learn from: annotate some and submit them; tasks "
            "that were skipped do not count."
        )
    if n_bulk := sum(one.is_bulk for one in queued):
        lines.append(f"{n_bulk} of them were made of predictions in bulk, and count weakly.")
    if left_out:
        lines.append(f"Left out: {'; '.join(left_out)}.")
    if unlearned.left_out[TOO_MANY]:
        limits = unlearned.lessons.limits
        lines.append(
            f"A project keeps lessons of {limits.max_annotations} annotations, "
            f"{limits.max_bytes // 2**20} MB at most, those that were updated last."
        )
    for sentence in unlearned.unreadable[:MAX_UNREADABLE_LINES]:
        lines.append(f"Cannot be read: {sentence}")
    if (more := len(unlearned.unreadable) - MAX_UNREADABLE_LINES) > 0:
        lines.append(f"… and {more} more")
    if queued:
        lines.append(
            "`python -m backend memory show` says how many wait and what was learned; what fails "
            "is there, in the log and in /ready."
        )
    return "\n".join(lines)

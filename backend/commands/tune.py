"""`python -m backend tune`: which settings serve a project best, by its own annotated tasks."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.commands.annotated_source import (
    Source,
    SourceOptions,
    choose_settings,
    cited,
    describe_leaving_out,
    read_source,
)
from backend.errors import SettingsError
from backend.evaluation.annotated_tasks import AnnotatedTask
from backend.evaluation.candidates import steps_for
from backend.evaluation.evaluator import Evaluator
from backend.evaluation.search import Search, SearchResult
from backend.evaluation.settings_scores import SettingsScores
from backend.evaluation.tuning_report import notes, recommend, table
from backend.label_studio.controls import read_controls
from backend.label_studio.ml_backend import (
    MlBackend,
    changed_params,
    find_ml_backend,
    set_extra_params,
)
from backend.label_studio.project_settings import ProjectSettings, parse_params
from backend.service import Service
from model import ModelError

MIN_TASKS = 5  # of fewer, no interval means anything
TOO_FEW_TASKS = 3  # exit code
MINUTE_S = 60.0


@dataclass(frozen=True)
class TuneOptions:
    source: SourceOptions
    uses_lessons: bool
    keeps_method: bool
    max_minutes: float
    max_tasks: int
    applies: bool


@dataclass(frozen=True)
class Today:
    """What the project has now."""

    settings: ProjectSettings
    about: str  # where they are from
    extra_params: Mapping[str, Any]  # with those that are not ours
    backend: MlBackend | None  # in Label Studio


@dataclass(frozen=True)
class Outcome:
    text: str
    exit_code: int = 0


def tune(service: Service, options: TuneOptions, say: Callable[[str], None]) -> Outcome:
    """What to print. `say` gets a line for each step of the work. Raises FirstpassError."""
    check_options(options)
    try:
        source = read_source(service, options.source)
        if len(source.tasks) < MIN_TASKS:
            reasons = [f"task {task}: {why}" for task, why in source.unreadable.items()]
            return too_few(source.name, len(source.tasks), reasons)
        today = find_today(service, source, options)
        return search(service, source, today, options, say)
    except ModelError as error:
        raise SettingsError(str(error)) from error
    finally:
        service.store.close()


def check_options(options: TuneOptions) -> None:
    if options.applies and (options.source.project is None or options.source.extra_params):
        raise SettingsError(
            "--apply changes the extra params that a project has in Label Studio, so it needs "
            "--project, and no --extra-params."
        )
    if options.max_tasks < MIN_TASKS or options.max_minutes <= 0:
        raise SettingsError(
            f"--max-tasks {options.max_tasks} and --max-minutes {options.max_minutes:g}: these "
            f"must be at least {MIN_TASKS}, and more than 0."
        )


def too_few(name: str, n_tasks: int, reasons: Sequence[str] = ()) -> Outcome:
    return Outcome(
        f"{name} has {n_tasks} annotated tasks that can be compared{cited(reasons)}. What serves "
        f"it best cannot be known from fewer than {MIN_TASKS}: annotate {MIN_TASKS - n_tasks} "
        "more; with a dozen, differences begin to show.",
        TOO_FEW_TASKS,
    )


def find_today(service: Service, source: Source, options: TuneOptions) -> Today:
    """The settings in --extra-params, else in Label Studio, else those known here."""
    given, number = options.source.extra_params, options.source.project
    backend = None
    if number is not None and given is None:
        backend = find_ml_backend(service.label_studio, number, service.settings.port)
    if backend is not None:
        settings, _ = ProjectSettings.from_extra_params(backend.extra_params)
        return Today(settings, "settings in Label Studio", backend.extra_params, backend)
    if options.applies:
        raise SettingsError(
            f"{source.name} has no model in Label Studio whose extra params --apply could change: "
            "connect this backend to it, Settings > Model."
        )
    settings, about = choose_settings(service, source, given)
    params = json.loads(settings.to_json()) if given is None else parse_params(given)
    return Today(settings, about, params, None)


def search(
    service: Service,
    source: Source,
    today: Today,
    options: TuneOptions,
    say: Callable[[str], None],
) -> Outcome:
    controls = read_controls(source.label_config)
    tasks = evenly_spread(source.tasks, options.max_tasks)
    say(f"{source.name}: {len(tasks)} of {len(source.tasks)} annotated tasks; loading the model")
    uses_lessons = (
        options.uses_lessons and service.is_learning and today.settings.memory_version != "none"
    )
    context = service.resolve_context(source.key, today.settings)
    scores = SettingsScores(
        Evaluator(service.segmenter, service.pages, context, controls, source.auth, say),
        tasks,
        uses_lessons,
    )
    deadline_s = time.monotonic() + options.max_minutes * MINUTE_S
    scores.measure_today()
    n_comparable = sum(bool(task) for task in scores.of(context))
    if n_comparable < MIN_TASKS:
        return too_few(source.name, n_comparable, scores.reasons())
    result = Search(
        scores,
        lambda settings: service.resolve_context(source.key, settings),
        steps_for(controls, today.settings, keeps_method=options.keeps_method),
        deadline_s,
    ).run()
    how = describe_leaving_out(len(scores.tasks)) if uses_lessons else "words alone"
    about = (
        f"{source.name}: {n_comparable} tasks, {context.method_version}, {today.about}; {how}\n"
        "* taken, and the next step goes on from it"
    )
    left_out = [f"Left out: {reason}" for reason in scores.reasons()]
    parts = [about, table(result, scores.of(context)), *left_out, *notes(result)]
    return Outcome("\n\n".join([*parts, conclude(service, result, today, options)]))


def conclude(service: Service, result: SearchResult, today: Today, options: TuneOptions) -> str:
    """The recommendation, applied where that is wanted."""
    advice = recommend(result)
    if not advice.is_change:
        return advice.text
    params = changed_params(today.extra_params, today.settings, result.chosen.settings)
    lines = [advice.text]
    if result.chosen.space != result.today.space:
        lines.append(
            "Lessons belong to the features of a method: those of today's do not count under "
            f"{result.chosen.method.name} until `python -m backend memory learn` has their "
            "annotations learned anew."
        )
    if today.backend is not None and options.applies:
        set_extra_params(service.label_studio, today.backend, params)
        lines.append(
            f"Set in Label Studio as the extra params of the project: {json.dumps(params)}"
        )
    else:
        lines += [
            "The extra params to give the project's model in Label Studio:",
            json.dumps(params),
        ]
    return "\n".join(lines)


def evenly_spread(tasks: Sequence[AnnotatedTask], count: int) -> list[AnnotatedTask]:
    """At most so many of the tasks, from first to last."""
    if len(tasks) <= count:
        return list(tasks)
    return [tasks[n * len(tasks) // count] for n in range(count)]

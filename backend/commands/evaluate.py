"""`python -m backend evaluate`: how well a project's annotated tasks are predicted.

Each is predicted as if it had taught nothing, and compared with what people made of it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.commands.evaluation_page import WorstTasks, evaluation_page
from backend.commands.output_files import check_file, read_text, save_text
from backend.errors import SettingsError, StoreError
from backend.evaluation.annotated_tasks import (
    AnnotatedTask,
    get_project,
    list_annotated,
    read_annotated,
    read_export,
)
from backend.evaluation.evaluator import N_FOLDS, ONE_BY_ONE, Evaluator
from backend.evaluation.report import Report, TaskScores
from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.webhook_events import project_key
from backend.service import Service
from model import ModelError


@dataclass(frozen=True)
class EvaluateOptions:
    """One of `project` and `export` is given."""

    project: int | None
    export: Path | None
    label_config: Path | None
    extra_params: str | None
    uses_lessons: bool
    json_file: Path | None
    html_file: Path | None


@dataclass(frozen=True)
class Source:
    """What is evaluated: annotated tasks, and what of their project predictions depend on."""

    name: str  # "project 12"
    project: Mapping[str, Any]  # as Label Studio describes it; of an export nothing is known
    label_config: str
    tasks: Sequence[AnnotatedTask]
    unreadable: Mapping[str, str]  # task -> why

    @property
    def key(self) -> str:
        return project_key(self.project) if self.project else ""

    @property
    def auth(self) -> tuple[str, str] | None:
        login = self.project.get("task_data_login")
        return (str(login), str(self.project.get("task_data_password") or "")) if login else None


def evaluate(service: Service, options: EvaluateOptions, say: Callable[[str], None]) -> str:
    """The text to print. `say` gets a line for each step. Raises FirstpassError."""
    for path, option, example in (
        (options.json_file, "--json", "evaluation.json"),
        (options.html_file, "--html", "evaluation.html"),
    ):
        if path:
            check_file(path, option, example=example)
    try:
        source = read_source(service, options)
        check_count(source, options)
        settings, about_settings = choose_settings(service, source, options)
        return compare_all(service, source, settings, about_settings, options, say)
    except ModelError as error:
        raise SettingsError(str(error)) from error
    finally:
        service.store.close()


def read_source(service: Service, options: EvaluateOptions) -> Source:
    config = read_text(options.label_config, "--label-config") if options.label_config else None
    if options.project is not None:
        project = get_project(service.label_studio, options.project)
        tasks, unreadable = read_annotated(list_annotated(service.label_studio, options.project))
        name = f"project {options.project}"
    else:
        if config is None or options.export is None:
            raise SettingsError(
                "--export needs --label-config FILE, since an export does not hold the labeling "
                "config: save it from the project's Settings > Labeling Interface > Code."
            )
        project, name = {}, options.export.name
        tasks, unreadable = read_annotated(read_export(options.export))
    config = str(project.get("label_config") or "") if config is None else config
    return Source(name, project, config, tasks, unreadable)


def check_count(source: Source, options: EvaluateOptions) -> None:
    """Raise SettingsError if there are too few tasks, before the model is loaded."""
    n_tasks = len(source.tasks)
    if not n_tasks:
        reasons = [f"task {task}: {why}" for task, why in source.unreadable.items()]
        raise SettingsError(
            f"{source.name} has no annotated task to compare with{cited(reasons)}. Annotate some "
            "and submit them; skipped ones do not count."
        )
    if n_tasks < 2 and options.uses_lessons:
        raise SettingsError(
            f"{source.name} has one annotated task, and leaving one out needs two. Annotate more, "
            "or compare words alone: --no-lessons."
        )


def choose_settings(
    service: Service, source: Source, options: EvaluateOptions
) -> tuple[ProjectSettings, str]:
    """The settings that predictions are made with, and where they are from."""
    if options.extra_params is not None:
        settings, ignored = ProjectSettings.from_extra_params(options.extra_params)
        if ignored:
            raise SettingsError(" ".join(ignored))
        return settings, "settings of --extra-params"
    try:
        is_known = bool(source.key) and source.key in service.projects.names()
    except StoreError:
        is_known = False
    if is_known:
        return service.projects.settings_of(source.key), "settings of the project"
    return ProjectSettings(), "default settings, since none of the project are known here"


def compare_all(
    service: Service,
    source: Source,
    settings: ProjectSettings,
    about_settings: str,
    options: EvaluateOptions,
    say: Callable[[str], None],
) -> str:
    controls = read_controls(source.label_config)
    say(f"{source.name}: {len(source.tasks)} annotated tasks; loading the model")
    context = service.resolve_context(source.key, settings)
    evaluator = Evaluator(service.segmenter, service.pages, context, controls, source.auth, say)
    how = describe_leaving_out(len(source.tasks)) if options.uses_lessons else "words alone"
    report = Report(
        {
            "source": source.name,
            "model": context.method_version,
            "settings": about_settings,
            "predicted": how,
        }
    )
    report.tasks += [
        TaskScores(task, 0, {}, None, (why,)) for task, why in source.unreadable.items()
    ]
    worst_tasks = WorstTasks()
    run = evaluator.with_lessons_of_others if options.uses_lessons else evaluator.by_words_alone
    for compared in run(source.tasks):
        report.tasks.append(scores := TaskScores.of(compared))
        for why in compared.left_out:
            say(f"task {compared.task_id}: {why}")
        if compared.pages and options.html_file:
            worst_tasks.add(scores, compared)
    if not report.compared:
        reasons = [f"task {task}: {why}" for task, why in report.left_out()]
        raise SettingsError(f"No task of {source.name} can be compared{cited(reasons)}")

    about = (
        f"{len(report.compared)} tasks, {report.n_images} images, {context.method_version}, "
        f"{about_settings}; {how}"
    )
    written = []
    if options.json_file:
        save_text(json.dumps(report.as_json(), indent=1) + "\n", options.json_file)
        written.append(f"JSON: {options.json_file}")
    if options.html_file:
        page = evaluation_page(report, worst_tasks, f"Evaluation of {source.name}", about)
        save_text(page, options.html_file)
        written.append(f"page: {options.html_file}")
    return "\n".join([f"{source.name}: {about}", "", report.as_text(), *written])


def describe_leaving_out(n_tasks: int) -> str:
    if n_tasks <= ONE_BY_ONE:
        return "each task with the lessons of all others"
    return f"each task with the lessons of the {N_FOLDS - 1} of {N_FOLDS} folds that it is not in"


def cited(reasons: Sequence[str]) -> str:
    """The first of the reasons, for the end of a sentence."""
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f": {reasons[0]}{more}" if reasons else ""

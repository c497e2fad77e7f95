"""`python -m backend evaluate`: how well a project's annotated tasks are predicted.

Each is predicted as if it had taught nothing, and compared with what people made of it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backend.commands.annotated_source import (
    Source,
    SourceOptions,
    choose_settings,
    cited,
    describe_leaving_out,
    read_source,
)
from backend.commands.evaluation_page import WorstTasks, evaluation_page
from backend.commands.output_files import check_file, save_text
from backend.errors import SettingsError
from backend.evaluation.evaluator import Evaluator
from backend.evaluation.report import Report, TaskScores
from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.service import Service
from model import ModelError


@dataclass(frozen=True)
class EvaluateOptions:
    source: SourceOptions
    uses_lessons: bool
    json_file: Path | None
    html_file: Path | None


def evaluate(service: Service, options: EvaluateOptions, say: Callable[[str], None]) -> str:
    """The text to print. `say` gets a line for each step. Raises FirstpassError."""
    for path, option, example in (
        (options.json_file, "--json", "evaluation.json"),
        (options.html_file, "--html", "evaluation.html"),
    ):
        if path:
            check_file(path, option, example=example)
    try:
        source = read_source(service, options.source)
        check_count(source, options)
        settings, about_settings = choose_settings(service, source, options.source.extra_params)
        return compare_all(service, source, settings, about_settings, options, say)
    except ModelError as error:
        raise SettingsError(str(error)) from error
    finally:
        service.store.close()


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

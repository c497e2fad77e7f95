"""The options of the commands that go by annotated tasks, and their calls."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from backend.settings import Settings

if TYPE_CHECKING:  # they import torch, and --help must not wait for it
    from backend.commands.annotated_source import SourceOptions


def add_evaluate_options(evaluate: argparse.ArgumentParser) -> None:
    evaluate.set_defaults(run=run_evaluate)
    add_source_options(evaluate)
    evaluate.add_argument("--no-lessons", action="store_true", help="by words alone")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="all numbers, also by task")
    evaluate.add_argument("--html", type=Path, metavar="FILE", help="a page with the worst tasks")


def add_tune_options(tune: argparse.ArgumentParser) -> None:
    tune.set_defaults(run=run_tune)
    tune.epilog = "Exit code: 0 done, 3 too few annotated tasks to know, 1 stopped by an error."
    add_source_options(tune)
    tune.add_argument("--no-lessons", action="store_true", help="by words alone")
    tune.add_argument(
        "--keep-method", action="store_true", help="try no other, since lessons belong to one"
    )
    tune.add_argument("--max-minutes", type=float, default=30, metavar="N", help="30 by default")
    tune.add_argument("--max-tasks", type=int, default=40, metavar="N", help="40 by default")
    tune.add_argument(
        "--apply", action="store_true", help="set what is recommended in Label Studio"
    )


def add_source_options(command: argparse.ArgumentParser) -> None:
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--project", type=int, metavar="N", help="of Label Studio, by its API")
    source.add_argument("--export", type=Path, metavar="FILE", help="a JSON export of a project")
    command.add_argument(
        "--label-config", type=Path, metavar="FILE", help="its labeling config, if not its own"
    )
    command.add_argument("--extra-params", metavar="JSON", help="its extra params, if not its own")


def source_of(options: argparse.Namespace) -> "SourceOptions":
    from backend.commands.annotated_source import SourceOptions

    return SourceOptions(
        options.project, options.export, options.label_config, options.extra_params
    )


def run_evaluate(settings: Settings, options: argparse.Namespace) -> int:
    from backend.commands.evaluate import EvaluateOptions, evaluate
    from backend.commands.progress import say
    from backend.service import Service

    chosen = EvaluateOptions(
        source=source_of(options),
        uses_lessons=not options.no_lessons,
        json_file=options.json,
        html_file=options.html,
    )
    print(evaluate(Service(settings), chosen, say))
    return 0


def run_tune(settings: Settings, options: argparse.Namespace) -> int:
    from backend.commands.progress import say
    from backend.commands.tune import TuneOptions, tune
    from backend.service import Service

    chosen = TuneOptions(
        source=source_of(options),
        uses_lessons=not options.no_lessons,
        keeps_method=options.keep_method,
        max_minutes=options.max_minutes,
        max_tasks=options.max_tasks,
        applies=options.apply,
    )
    outcome = tune(Service(settings), chosen, say)
    print(outcome.text)
    return outcome.exit_code

"""The command line: `python -m backend serve`, `prelabel`, `predict`, `memory`, `evaluate`, …"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from backend.commands.evaluation_options import add_evaluate_options, add_tune_options
from backend.errors import FirstpassError
from backend.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0, or 1 if it failed or found a problem. `prelabel` and `tune`
    have more."""
    options = build_parser().parse_args(arguments)
    try:
        code: int = options.run(Settings.from_env(), options)
        return code
    except FirstpassError as error:
        print(f"firstpass: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m backend",
        description="Paint the first pass of a Label Studio project's brush masks. "
        "Settings come from the environment: docs/settings.md.",
    )
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve Label Studio's requests")
    serve.set_defaults(run=run_serve)

    add_prelabel_options(
        commands.add_parser("prelabel", help="predict a whole project, and store it there")
    )

    add_predict_options(
        commands.add_parser("predict", help="segment photos from the disk, and draw what was found")
    )

    add_memory_commands(
        commands.add_parser(
            "memory", help="show, export, import, forget what was learned; learn, retry"
        )
    )

    add_evaluate_options(
        commands.add_parser(
            "evaluate", help="how well annotated tasks are predicted by what the others taught"
        )
    )

    add_tune_options(
        commands.add_parser("tune", help="which settings serve a project best, by annotated tasks")
    )

    demo = commands.add_parser("demo", help="make a project with photos in a running Label Studio")
    demo.set_defaults(run=run_demo)
    demo.add_argument(
        "--backend-url", metavar="URL", help="where Label Studio reaches Firstpass (HOST and PORT)"
    )

    doctor = commands.add_parser("doctor", help="check model, store and Label Studio; say cures")
    doctor.set_defaults(run=run_doctor)
    doctor.add_argument("--project", type=int, metavar="N", help="look at this project alone")

    connect = commands.add_parser("connect", help="give Label Studio's webhooks their secret")
    connect.set_defaults(run=run_connect)
    connect.add_argument("--project", type=int, metavar="N", help="of this project alone")
    return root


def add_prelabel_options(prelabel: argparse.ArgumentParser) -> None:
    prelabel.set_defaults(run=run_prelabel)
    prelabel.epilog = (
        "Run it again to go on after a stop. Exit code: 0 done, 3 some tasks failed, 1 stopped by "
        "an error, 130 by Ctrl-C."
    )
    prelabel.add_argument("--project", type=int, metavar="N", required=True)
    prelabel.add_argument("--limit", type=positive, metavar="N", help="at most so many tasks")
    prelabel.add_argument("--only-unlabeled", action="store_true", help="tasks without annotation")
    prelabel.add_argument("--order", choices=["oldest", "newest"], default="oldest")
    prelabel.add_argument(
        "--engine", choices=["threads", "ray"], default="threads", help="where tasks are predicted"
    )
    prelabel.add_argument("--dry-run", action="store_true", help="only say what would be done")
    prelabel.add_argument("--report", type=Path, metavar="FILE", help="JSON, with each failed task")


def add_predict_options(predict: argparse.ArgumentParser) -> None:
    predict.set_defaults(run=run_predict)
    predict.add_argument("photos", nargs="+", metavar="PHOTO", help='files, folders, "*.jpg"')
    labels = predict.add_mutually_exclusive_group(required=True)
    labels.add_argument("--labels", help='such as "cat, grass, sky"')
    labels.add_argument("--label-config", type=Path, metavar="FILE", help="of Label Studio, XML")
    for option, metavar, about in (
        ("--out", "PNG", "the picture with its legend; a folder for several photos"),
        ("--masks", "DIR", "one black and white PNG a label; in folders for several photos"),
        ("--coco", "FILE", "COCO's JSON, masks as run lengths"),
        ("--yolo", "DIR", "a data set for YOLO segmentation, polygons"),
        ("--import-file", "FILE", "tasks with predictions, to import into Label Studio"),
    ):
        predict.add_argument(option, type=Path, metavar=metavar, help=about)
    predict.add_argument("--image-prefix", metavar="URL", help="of the photos in the import file")
    predict.add_argument(
        "--min-score", type=float, metavar="S", help="leave out masks of a lower score (0.15)"
    )
    predict.add_argument("--method", help="segmentation method (METHOD)")
    predict.add_argument("--refiner", help="edge refiner (REFINER)")


def positive(text: str) -> int:
    """Of an option; argparse names the option in its message."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be 1 or more")
    return number


def add_memory_commands(memory: argparse.ArgumentParser) -> None:
    verbs = memory.add_subparsers(required=True, metavar="VERB", dest="verb")
    memory.set_defaults(run=run_memory)
    show = verbs.add_parser("show", help="what each project has learned, or one in detail")
    show.add_argument("project", metavar="PROJECT", nargs="?")
    learn = verbs.add_parser("learn", help="learn from the annotations that a project has already")
    learn.add_argument("project", metavar="PROJECT", help="its number, or as show lists it")
    export = verbs.add_parser("export", help="write what a project has learned to a file")
    export.add_argument("project", metavar="PROJECT", help="its number, or as show lists it")
    export.add_argument("file", type=Path, metavar="FILE", help="safetensors")
    export.add_argument("--version", metavar="N", help="of this version, not of all known now")
    import_ = verbs.add_parser("import", help="teach a project what such a file holds")
    import_.add_argument("project", metavar="PROJECT")
    import_.add_argument("file", type=Path, metavar="FILE")
    forget = verbs.add_parser("forget", help="forget what a project, or one annotation, taught")
    forget.add_argument("project", metavar="PROJECT")
    forget.add_argument("--annotation", metavar="ID", help="only what this annotation taught")
    retry = verbs.add_parser("retry", help="try the corrections again that were set aside")
    retry.add_argument("project", metavar="PROJECT", nargs="?", help="its own alone")


def run_prelabel(settings: Settings, options: argparse.Namespace) -> int:
    from backend.commands.prelabel import PrelabelOptions, prelabel
    from backend.commands.progress import say
    from backend.service import Service

    chosen = PrelabelOptions(
        project=options.project,
        limit=options.limit,
        only_unlabeled=options.only_unlabeled,
        order=options.order,
        engine=options.engine,
        is_dry_run=options.dry_run,
        report=options.report,
    )
    text, code = prelabel(Service(settings), chosen, say)
    print(text)
    return code


def run_memory(settings: Settings, options: argparse.Namespace) -> int:
    from backend.commands.memory import run_verb
    from backend.service import Service

    print(run_verb(Service(settings), options))
    return 0


def run_serve(settings: Settings, _options: argparse.Namespace) -> int:
    from backend.commands.serve import serve

    serve(settings)
    return 0


def run_predict(settings: Settings, options: argparse.Namespace) -> int:
    # Imported here, since --help and gunicorn's first process must not load torch.
    from backend.commands.predict import PredictOptions, predict
    from backend.service import Service

    chosen = {name: getattr(options, name) for name in ("method", "refiner")}
    settings = settings.model_copy(update={name: value for name, value in chosen.items() if value})
    names = [field.name for field in dataclasses.fields(PredictOptions)]
    wanted = PredictOptions(**{name: getattr(options, name) for name in names})
    text, code = predict(Service(settings), wanted)
    print(text)
    return code


def run_demo(settings: Settings, options: argparse.Namespace) -> int:
    from backend.commands.demo import make_demo

    print(make_demo(settings, options.backend_url, lambda line: print(line, file=sys.stderr)))
    return 0


def run_doctor(settings: Settings, options: argparse.Namespace) -> int:
    from backend.commands.doctor import check_installation

    project = None if options.project is None else str(options.project)
    checks = check_installation(settings, project)
    for check in checks:
        sign = {True: "ok  ", False: "FAIL", None: "?   "}[check.ok]
        print(f"{sign}  {check.name}: {check.found}")
        if check.remedy:
            print(f"      cure: {check.remedy}")
    return 1 if any(check.ok is False for check in checks) else 0


def run_connect(settings: Settings, options: argparse.Namespace) -> int:
    from backend.commands.connect import connect

    project = None if options.project is None else str(options.project)
    for line in connect(settings, project):
        print(line)
    return 0

"""`python -m backend memory show | export | import | forget`: what was learnt, by hand."""

import argparse
import datetime
from collections.abc import Callable

from backend.errors import SettingsError, StoreError
from backend.memory.export_file import export_lessons, import_lessons
from backend.memory.lesson_store import LessonStore
from backend.service import Service


def run_memory(service: Service, options: argparse.Namespace) -> str:
    """What there is to say of it. Raises SettingsError or StoreError."""
    try:
        if not service.store.is_up():
            raise StoreError(service.store.describe()["degraded"])
        if options.project is not None:
            options.project = full_name(service.lessons, options.project)
        return VERBS[options.verb](service.lessons, options)
    finally:
        service.store.close()


def full_name(memory: LessonStore, name: str) -> str:
    """A project by its id alone, where only one has it; names not known yet stay as they are."""
    known = memory.projects()
    found = [one for one in known if one == name or one.split(".")[0] == name]
    if name in known or not found:
        return name
    if len(found) > 1:
        raise SettingsError(f"Project {name} may be {' or '.join(found)}: name one of them.")
    return found[0]


def show(memory: LessonStore, options: argparse.Namespace) -> str:
    names = memory.projects()
    if options.project is None:
        return "\n".join(line_of(memory, name) for name in names) or "Nothing has been learnt yet."
    if options.project not in names:
        raise SettingsError(
            f"Project {options.project} has learnt nothing. Known are: {', '.join(names) or 'none'}"
        )
    index = memory.index(options.project)
    n_bytes = sum(ref.n_bytes for one in index.annotations.values() for ref in one.lessons)
    lines = [f"project {options.project}: {n_bytes / 2**20:.1f} MB"]
    lines += [
        f"  {label:<24} {count} annotations" for label, count in sorted(index.counts().items())
    ]
    for version in index.versions:
        made = datetime.datetime.fromtimestamp(version.made_s).strftime("%Y-%m-%d %H:%M:%S")
        count = len(version.annotations)
        lines.append(f"  version {version.name:<16} {made}  {count} annotations")
    return "\n".join([*lines, f"  {index.changes} changed annotations wait for the next version"])


def line_of(memory: LessonStore, name: str) -> str:
    index = memory.index(name)
    teaching = sum(bool(one.lessons) for one in index.annotations.values())
    return f"{name:<24} {teaching} annotations, {len(index.versions)} versions"


def run_export(memory: LessonStore, options: argparse.Namespace) -> str:
    count = export_lessons(memory, options.project, options.file, options.version)
    return f"{options.file}: {count} annotations of project {options.project}"


def run_import(memory: LessonStore, options: argparse.Namespace) -> str:
    count = import_lessons(memory, options.project, options.file)
    return f"project {options.project}: {count} annotations learnt from {options.file}"


def run_forget(memory: LessonStore, options: argparse.Namespace) -> str:
    if options.annotation is not None:
        found = memory.delete(options.project, annotations=[options.annotation])
        what = f"annotation {options.annotation} of project {options.project}"
    else:
        found, what = memory.forget(options.project), f"project {options.project}"
    return f"{what}: {'forgotten' if found else 'there was nothing to forget'}"


VERBS: dict[str, Callable[[LessonStore, argparse.Namespace], str]] = {
    "show": show,
    "export": run_export,
    "import": run_import,
    "forget": run_forget,
}

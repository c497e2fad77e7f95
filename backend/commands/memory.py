"""`python -m backend memory show | learn | export | import | forget | retry`: what is learned."""

import argparse
import datetime
from collections.abc import Callable

from backend.commands.learn_project import learn_project
from backend.commands.progress import say
from backend.commands.project_name import find_project, require_project
from backend.errors import SettingsError, StoreError
from backend.learning.event_queue import EventQueue
from backend.learning.set_aside import MAX_EVENTS
from backend.memory.export_file import export_lessons, import_lessons
from backend.memory.lesson_store import LessonStore
from backend.service import Service

MAX_SET_ASIDE_LINES = 50


def run_verb(service: Service, options: argparse.Namespace) -> str:
    """Run one verb; the text to print. Raises SettingsError or StoreError."""
    try:
        if not service.store.is_up():
            raise StoreError(service.store.describe()["degraded"])
        if options.verb == "learn":
            return learn_project(service, options.project, say)
        if options.project is not None:
            # What is read for the first time may be known to Label Studio alone.
            is_import = options.verb == "import"
            options.project = (
                require_project(service, options.project)
                if is_import
                else find_project(service, options.project) or options.project
            )
        if options.verb == "retry":
            return retry_corrections(service.events, options)
        found = VERBS[options.verb](service.lessons, options)
        if options.verb == "show":
            found += waiting_line(service.events) + set_aside_lines(service.events, options.project)
        return found
    finally:
        service.store.close()


def show_lessons(lessons: LessonStore, options: argparse.Namespace) -> str:
    """A line for each project, or all labels and versions of one."""
    names = lessons.projects()
    if options.project is None:
        lines = [project_line(lessons, name) for name in names]
        return "\n".join(lines) or "Nothing has been learned yet."
    if options.project not in names:
        raise SettingsError(
            f"Project {options.project} has learned nothing. "
            f"Known are: {', '.join(names) or 'none'}"
        )
    index = lessons.index(options.project)
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


def project_line(lessons: LessonStore, name: str) -> str:
    try:
        index = lessons.index(name)
    except StoreError as error:
        return f"{name:<24} {error}"
    count = sum(bool(one.lessons) for one in index.annotations.values())
    return f"{name:<24} {count} annotations, {len(index.versions)} versions"


def waiting_line(events: EventQueue) -> str:
    """How many events are to be worked off, of all projects; "" for none."""
    n_events = events.size()
    return f"\n{n_events} events wait in the queue of corrections" if n_events else ""


def set_aside_lines(events: EventQueue, project: str | None) -> str:
    """A line for each correction that could not be learned, the newest first; "" for none."""
    found = [one for one in events.set_aside.newest(MAX_EVENTS) if project in (None, one.project)]
    if not found:
        return ""
    lines = [f"{len(found)} corrections are set aside (memory retry has them tried again):"]
    for one in found[:MAX_SET_ASIDE_LINES]:
        at = datetime.datetime.fromtimestamp(one.at_s).strftime("%Y-%m-%d %H:%M:%S")
        lines.append(f"  {at}  project {one.project}, {one.what}: {one.reason}")
    if len(found) > MAX_SET_ASIDE_LINES:
        lines.append(f"  … and {len(found) - MAX_SET_ASIDE_LINES} older ones")
    return "\n" + "\n".join(lines)


def retry_corrections(events: EventQueue, options: argparse.Namespace) -> str:
    count = events.retry(options.project)
    return f"{count} corrections are in the queue again; a running Firstpass learns from them"


def export_to_file(lessons: LessonStore, options: argparse.Namespace) -> str:
    count = export_lessons(lessons, options.project, options.file, options.version)
    return f"{options.file}: {count} annotations of project {options.project}"


def import_from_file(lessons: LessonStore, options: argparse.Namespace) -> str:
    count = import_lessons(lessons, options.project, options.file)
    return f"project {options.project}: {count} annotations learned from {options.file}"


def forget_lessons(lessons: LessonStore, options: argparse.Namespace) -> str:
    if options.annotation is not None:
        found = lessons.delete(options.project, annotations=[options.annotation])
        what = f"annotation {options.annotation} of project {options.project}"
    else:
        found, what = lessons.forget(options.project), f"project {options.project}"
    return f"{what}: {'forgotten' if found else 'there was nothing to forget'}"


VERBS: dict[str, Callable[[LessonStore, argparse.Namespace], str]] = {
    "show": show_lessons,
    "export": export_to_file,
    "import": import_from_file,
    "forget": forget_lessons,
}

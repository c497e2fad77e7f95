"""What the log says of a project's lessons: a line for each change that a person may look for."""

from collections.abc import Iterable, Sequence

from backend.memory.agreement import Agreement
from backend.memory.annotation_lessons import LessonRef
from backend.memory.project_head import ProjectHead

MAX_NAMES = 10  # of labels or ids in one line
MAX_VERSIONS = 2  # whose agreement is in one line


def taught_line(
    project: str,
    annotation: str,
    lessons: Iterable[LessonRef],
    agreement: Agreement | None,
    head: ProjectHead,
) -> str:
    names = sorted({label for lesson in lessons for label in lesson.labels})
    agreed = ""
    if agreement is not None:
        regions = ", ".join(f"{number} {kind}" for kind, number in agreement.regions.items())
        agreed = f"; agreed {agreement.iou:.2f} with what was shown: {regions}"
    return (
        f"project {project}, annotation {annotation}: learned {count(len(names), 'label')}"
        f"{listed(names)}{agreed}. {version_state(head)}"
    )


def known_line(project: str, annotation: str) -> str:
    return (
        f"project {project}, annotation {annotation}: nothing learned, since a later update or "
        "its deletion came first."
    )


def skipped_line(project: str, annotation: str, had_lessons: bool) -> str:
    what = "what it taught is taken out" if had_lessons else "it had taught nothing"
    return f"project {project}, annotation {annotation}: skipped, and {what}."


def deleted_line(
    project: str, annotations: Sequence[str], tasks: Sequence[str], had_lessons: bool
) -> str:
    given = [
        count(len(ids), kind) + listed(ids)
        for kind, ids in (("annotation", annotations), ("task", tasks))
        if ids
    ]
    what = "what they taught is out of every version" if had_lessons else "they had taught nothing"
    return f"project {project}: {' and '.join(given)} deleted; {what}."


def version_line(project: str, head: ProjectHead) -> str:
    """Of the newest version; also how far annotations agreed with the versions that were shown."""
    version = head.versions[-1]
    names = [f"{label} {n}" for label, n in sorted(version.tally.labels.items())]
    agreed = ", ".join(
        f"{one.iou:.2f} under {one.model_version} ({count(one.annotations, 'annotation')})"
        for one in head.agreement[:MAX_VERSIONS]
    )
    return (
        f"project {project}: version {version.name} made of "
        f"{count(version.tally.annotations, 'annotation')} with {count(len(names), 'label')}"
        f"{listed(names)}." + (f" What was shown agreed {agreed}." if agreed else "")
    )


def unchanged_line(project: str, head: ProjectHead) -> str:
    return f"project {project}: training makes no version, since nothing changed. " + (
        version_state(head)
    )


def version_state(head: ProjectHead) -> str:
    newest = f"Newest version {head.versions[-1].name}" if head.versions else "No version yet"
    return f"{newest}, {count(head.changes, 'changed annotation')} since."


def count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """Names in parentheses, after a space; "" for none."""
    if not names:
        return ""
    return f" ({', '.join(names[:MAX_NAMES])}{' …' if len(names) > MAX_NAMES else ''})"

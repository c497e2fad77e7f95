"""Which model versions there are, and which lessons are not used: for /versions and /ready."""

from collections.abc import Iterable

from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.annotator import Annotator
from backend.prediction.project_registry import ProjectRegistry

MAX_VERSIONS = 200  # listed


def model_versions(annotator: Annotator, projects: ProjectRegistry, of: Iterable[str]) -> list[str]:
    """The version of these projects before they learnt, and those since, newest first.

    Label Studio asks without saying for which project: then `of` are all, as it shows them beside
    a project whose own version it knows from /setup.
    """
    found = [annotator.resolve("", ProjectSettings()).untaught_version]
    for project in of:
        context = annotator.resolve(project, projects.settings_of(project))
        found.append(context.untaught_version)
        if annotator.active_versions is not None:
            found += [
                context.model_version(name)
                for name, spaces in reversed(annotator.active_versions.summary(project).versions)
                if context.space in spaces
            ]
    return list(dict.fromkeys(found))[:MAX_VERSIONS]


def unused_lessons(annotator: Annotator, project: str, settings: ProjectSettings) -> str | None:
    """A sentence on what a project learnt that is not used as one would think, or None."""
    if annotator.active_versions is None:
        return None
    space = annotator.resolve(project, settings).space
    return annotator.active_versions.summary(project).unused_warning(settings.memory_version, space)

"""Model versions of projects, and warnings about lessons that are not used."""

from collections.abc import Iterable

from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.annotator import Annotator
from backend.prediction.project_registry import ProjectRegistry

MAX_VERSIONS = 200  # in one list


def model_versions(
    annotator: Annotator, projects: ProjectRegistry, project_names: Iterable[str]
) -> list[str]:
    """model_version of each project without lessons and with each kept version, newest first.

    Each with the labeling config that the project was last set up with. The first is that of a
    project without settings and config. At most MAX_VERSIONS.
    """
    found = [annotator.version(ProjectSettings())]
    for project in project_names:
        context = annotator.resolve_context(project, projects.settings_of(project))
        config = projects.config_digest_of(project)
        found.append(context.model_version("", config))
        if annotator.active_versions is not None:
            found += [
                context.model_version(name, config)
                for name, spaces in reversed(annotator.active_versions.summary(project).versions)
                if context.space in spaces
            ]
    return list(dict.fromkeys(found))[:MAX_VERSIONS]


def unused_lessons_warning(
    annotator: Annotator, project: str, settings: ProjectSettings
) -> str | None:
    """Why a project's lessons are not used as the user may expect, or None if they are."""
    if annotator.active_versions is None:
        return None
    space = annotator.resolve_context(project, settings).space
    return annotator.active_versions.summary(project).unused_warning(settings.memory_version, space)

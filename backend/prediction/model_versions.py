"""Which model versions there are, and which lessons are not used: for /versions and /ready."""

from collections.abc import Iterable

from backend.errors import StoreError
from backend.label_studio.project_settings import ProjectSettings
from backend.memory.lesson_store import MemoryStore
from backend.prediction.annotator import Annotator
from backend.prediction.project_registry import Projects

MAX_VERSIONS = 200  # listed


def model_versions(annotator: Annotator, projects: Projects, of: Iterable[str]) -> list[str]:
    """The version of these projects before they learnt, and those since, newest first.

    Label Studio asks without saying for which project: then `of` are all, as it shows them beside
    a project whose own version it knows from /setup.
    """
    found = [annotator.version_with(ProjectSettings(), "")]
    for project in of:
        settings = projects.recall(project)
        found.append(annotator.version_with(settings, ""))
        if annotator.recall is not None:
            space = annotator.segmenter.space(
                settings.segment_settings(annotator.default).resolve()
            )
            found += [
                annotator.version_with(settings, name)
                for name, spaces in reversed(annotator.recall.head(project).versions)
                if space in spaces
            ]
    return list(dict.fromkeys(found))[:MAX_VERSIONS]


def known_projects(memory: MemoryStore) -> list[str]:
    """Those that taught something; none while the store is away."""
    try:
        return memory.projects()
    except StoreError:
        return []


def trouble_of(annotator: Annotator, project: str, settings: ProjectSettings) -> str | None:
    """A sentence on what a project learnt that is not used as one would think, or None."""
    if annotator.recall is None:
        return None
    space = annotator.segmenter.space(settings.segment_settings(annotator.default).resolve())
    return annotator.recall.head(project).trouble(settings.memory_version, space)


def troubles(annotator: Annotator, projects: Projects, memory: MemoryStore) -> list[str]:
    """The same for all projects, each sentence with its project."""
    found = (
        (one, trouble_of(annotator, one, projects.recall(one))) for one in known_projects(memory)
    )
    return [f"Project {project}: {sentence}" for project, sentence in found if sentence]

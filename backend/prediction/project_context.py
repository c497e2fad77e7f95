"""A project's choices, resolved once for each request or event."""

from dataclasses import dataclass

from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.answers import digest
from model import MethodConfig, Segmenter, SegmentSettings


@dataclass(frozen=True)
class ProjectContext:
    """What a project's settings mean with the loaded model."""

    id: str  # as Label Studio names it: number and second of creation
    settings: ProjectSettings
    method: MethodConfig
    space: str  # of the features; lessons of another one are not used
    untaught_version: str  # model_version before the project has learnt anything

    def model_version(self, memory_version: str) -> str:
        """With this version of what was learnt, "" for none."""
        if not memory_version:
            return self.untaught_version
        return f"{self.untaught_version}+memory-{memory_version}"


@dataclass(frozen=True)
class ContextResolver:
    """Settings of projects in, contexts out."""

    segmenter: Segmenter
    default: SegmentSettings  # of the server, where a project leaves a choice open

    def __call__(self, project_id: str, settings: ProjectSettings) -> ProjectContext:
        method = settings.segment_settings(self.default).resolve()
        version = self.segmenter.version(method)
        words = settings.vocabulary_json()
        return ProjectContext(
            id=project_id,
            settings=settings,
            method=method,
            space=self.segmenter.space(method),
            untaught_version=f"{version}+{digest(words)[:4]}" if words else version,
        )

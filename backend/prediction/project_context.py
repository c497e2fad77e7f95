"""A project's settings resolved for the loaded model, once for each request or event."""

import hashlib
from dataclasses import dataclass

from backend.label_studio.project_settings import ProjectSettings
from model import MethodConfig, Segmenter, SegmentSettings


@dataclass(frozen=True)
class ProjectContext:
    """A project with its resolved method."""

    id: str  # as in Label Studio's requests: "<id>.<second of its creation>"
    settings: ProjectSettings
    method: MethodConfig
    space: str  # feature space; lessons of another one are not used
    base_version: str  # model_version without lessons

    def model_version(self, memory_version: str) -> str:
        """`model_version` of predictions with this version of the lessons, "" for none."""
        if not memory_version:
            return self.base_version
        return f"{self.base_version}+memory-{memory_version}"


@dataclass(frozen=True)
class ContextResolver:
    """Called with a project's id and settings, returns its context."""

    segmenter: Segmenter
    default: SegmentSettings  # of the server, for what the project does not set

    def __call__(self, project_id: str, settings: ProjectSettings) -> ProjectContext:
        method = settings.segment_settings(self.default).resolve()
        version = self.segmenter.version(method)
        words = settings.vocabulary_json()
        words_digest = hashlib.sha256(words).hexdigest()[:4]
        return ProjectContext(
            id=project_id,
            settings=settings,
            method=method,
            space=self.segmenter.space(method),
            base_version=f"{version}+{words_digest}" if words else version,
        )

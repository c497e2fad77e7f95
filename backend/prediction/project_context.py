"""A project's settings resolved for the loaded model, once for each request or event."""

import hashlib
import json
import re
from dataclasses import dataclass

from backend.label_studio.project_settings import ProjectSettings
from backend.release import RELEASE
from model import MethodConfig, Segmenter, SegmentSettings

# Label Studio's tabs show the first 8 and the last 6 characters of a version.
DIGEST_DIGITS = 6


@dataclass(frozen=True)
class ProjectContext:
    """A project with its resolved method."""

    id: str  # as in Label Studio's requests: "<id>.<second of its creation>"
    settings: ProjectSettings
    method: MethodConfig
    space: str  # feature space; lessons of another one are not used
    method_version: str  # checkpoint, method and refiner
    precision: str  # arithmetic of the model, and where edges are refined if not on the CPU

    def model_version(self, memory_version: str = "", config_digest: str = "") -> str:
        """`model_version` of predictions: another one for whatever else they depend on.

        Such as "mem3-starter-1a2b3c4d/firstpass/crf-5f3a9c": number of the lessons' version, if
        `memory_version` is one; checkpoint, method and refiner; a digest of all that a prediction
        depends on but its task. Label Studio's filters look for a version within others and split
        lists at commas: none contains another, or signs but letters, digits and ._/-.
        """
        depends_on = [
            RELEASE,
            self.method_version,
            self.precision,
            self.settings.vocabulary_json().decode(),
            config_digest,
            memory_version,
        ]
        digest = hashlib.blake2b(json.dumps(depends_on).encode()).hexdigest()[:DIGEST_DIGITS]
        lessons = f"mem{memory_version.split('-')[0]}-" if memory_version else ""
        method = re.sub(r"[^A-Za-z0-9._/-]+", "_", self.method_version)
        return f"{lessons}{method}-{digest}"


@dataclass(frozen=True)
class ContextResolver:
    """Called with a project's id and settings, returns its context."""

    segmenter: Segmenter
    default: SegmentSettings  # of the server, for what the project does not set

    def __call__(self, project_id: str, settings: ProjectSettings) -> ProjectContext:
        method = settings.segment_settings(self.default).resolve()
        return ProjectContext(
            id=project_id,
            settings=settings,
            method=method,
            space=self.segmenter.space(method),
            method_version=self.segmenter.version(method),
            precision=self._precision(),
        )

    def _precision(self) -> str:
        """A GPU affords a finer CRF, so its predictions are others."""
        device = self.segmenter.refining_device.type
        return self.segmenter.precision + (f" on {device}" if device != "cpu" else "")

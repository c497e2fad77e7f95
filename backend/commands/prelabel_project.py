"""What predictions of a project of Label Studio depend on, and whether it will show them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.errors import StoreError
from backend.evaluation.annotated_tasks import get_project
from backend.label_studio.client import LabelStudio
from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.webhook_events import project_key
from backend.prelabeling.engines import Job
from backend.prelabeling.patience import Patience
from backend.prelabeling.prelabeler import Target
from backend.service import Service


@dataclass
class ConnectedProject:
    """A project, asked for anew by `target`. Raises LabelStudioError, or SettingsError without it.

    Raises LabelConfigError if there is nothing to paint in it.
    """

    service: Service
    studio: LabelStudio
    number: int
    say: Callable[[str], None]
    backends: Sequence[Mapping[str, Any]] = field(init=False)  # its models in Label Studio

    def __post_init__(self) -> None:
        self.patience = Patience(self.say)
        self.described = self._describe()
        read_controls(self.label_config)
        # Label Studio asks its models for their versions now, which brings their settings here.
        rows = self.patience(lambda: self.studio.get_json("/api/ml/", {"project": self.number}))
        self.backends = [row for row in rows if isinstance(row, Mapping)]
        self.default_settings, self.about_settings = self._default_settings()

    @property
    def key(self) -> str:
        return project_key(self.described)

    @property
    def label_config(self) -> str:
        return str(self.described.get("label_config") or "")

    def target(self) -> Target:
        """By its config and settings of now, and the lessons of now."""
        self.described = self._describe()
        key, label_config = self.key, self.label_config
        settings = self._stored_settings() or self.default_settings
        login = self.described.get("task_data_login")
        password = str(self.described.get("task_data_password") or "")
        auth = (str(login), password) if login else None
        return Target(
            self.service.annotator.version(settings, key, label_config),
            lambda task: Job(task, key, label_config, settings, auth),
        )

    def notes(self, version: str) -> list[str]:
        """Why Label Studio would not show predictions of this version, or make its own."""
        found = []
        others = {str(row.get("model_version")) for row in self.backends} - {version}
        if self.backends and others:
            found.append(
                f"Label Studio's model is at version {', '.join(sorted(others))}, this run makes "
                f"{version}: start it with the settings, DATA_DIR and REDIS_URL of `serve`, or "
                "tasks are predicted again when they are opened."
            )
        if not self.described.get("show_collab_predictions", True):
            found.append(
                "the project shows no predictions: switch on Settings > Annotation > Use "
                "predictions to prelabel tasks."
            )
        elif not self.backends and self.described.get("model_version") != version:
            found.append(
                "the project has no model connected: choose these predictions in Settings > "
                "Annotation > Use predictions to prelabel tasks."
            )
        return found

    def _describe(self) -> Mapping[str, Any]:
        return self.patience(lambda: get_project(self.studio, self.number))

    def _default_settings(self) -> tuple[ProjectSettings, str]:
        """Of a project that the store does not know, and where settings are from."""
        if self._stored_settings() is not None:
            return ProjectSettings(), "settings of the project"
        for row in self.backends:
            settings, _ = ProjectSettings.from_extra_params(row.get("extra_params"))
            return settings, "extra params of its model in Label Studio"
        return ProjectSettings(), "default settings, since it has no model connected"

    def _stored_settings(self) -> ProjectSettings | None:
        """As /predict would use them; None if no /setup has brought any."""
        try:
            is_known = self.key in self.service.projects.names()
        except StoreError:  # lost meanwhile: what this process read last is used
            is_known = True
        return self.service.projects.settings_of(self.key) if is_known else None

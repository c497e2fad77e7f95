"""The annotator as a LabelStudioMLBase, for deployments that use label-studio-ml 2.x.

    gunicorn --workers 1 --threads 8 'backend.commands.label_studio_ml_plugin:create()'

Needs requirements-label-studio-ml.txt. The requests are answered by the framework's own server;
docs/operations.md says what that lacks compared with `python -m backend serve`.
"""

import json
import logging
from typing import Any, ClassVar, cast

import orjson
from flask import Flask
from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase

from backend.errors import SettingsError
from backend.label_studio.config_digest import config_digest
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.webhook_events import is_handled
from backend.log_setup import set_up_logging
from backend.service import Service
from backend.settings import Settings

log = logging.getLogger(__name__)


class FirstpassModel(LabelStudioMLBase):
    """The framework makes an instance for each request, so the service is a class attribute."""

    service: ClassVar[Service]

    @classmethod
    def bound_to(cls, service: Service) -> "type[FirstpassModel]":
        return type(cls.__name__, (cls,), {"service": service})

    def setup(self) -> None:
        settings, label_config = self.project_settings(), self.label_config or ""
        project = str(self.project_id)
        if project:  # for the learning worker, and for commands that name the project
            self.service.projects.save(project, settings, config_digest(label_config))
        version = self.service.annotator.version(settings, project, label_config)
        self.set("model_version", version)

    def set_extra_params(self, extra_params: Any) -> None:
        """Store the extra params of /setup, as text for the framework, which stores no objects."""
        _, ignored = ProjectSettings.from_extra_params(extra_params)
        for sentence in ignored:
            log.warning("project %s: %s", self.project_id, sentence)
        is_text = isinstance(extra_params, str)
        self.set("extra_params", extra_params if is_text else json.dumps(extra_params))
        self.setup()

    def project_settings(self) -> ProjectSettings:
        try:
            return ProjectSettings.from_extra_params(self.get("extra_params"))[0]
        except SettingsError as error:
            log.warning("project %s: %s Its settings are not used.", self.project_id, error)
            return ProjectSettings()

    def predict(
        self, tasks: list[dict[str, Any]], context: dict[str, Any] | None = None, **params: Any
    ) -> list[dict[str, Any]]:
        """One item for each task; that of a failed task has no "result": Label Studio skips it."""
        login, password = params.get("login"), params.get("password")
        answers = self.service.annotator.predict(
            tasks,
            self.label_config or "",
            self.project_settings(),
            project_id=str(self.project_id),
            context=context,
            auth=(login, password or "") if login else None,
        )
        # The framework writes JSON with Flask, which knows no NumPy arrays: points of polygons.
        plain = orjson.loads(orjson.dumps(answers, option=orjson.OPT_SERIALIZE_NUMPY))
        return cast(list[dict[str, Any]], plain)

    def fit(self, event: str, data: dict[str, Any], **_: Any) -> dict[str, str]:
        webhook_event = {"action": event, **data}
        if is_handled(webhook_event):
            # The framework names projects by their id alone.
            webhook_event["project"] = {**webhook_event["project"], "created_at": None}
            self.service.events.push(webhook_event)
        return {"status": "queued"}


def create() -> Flask:
    """label-studio-ml's Flask app for this annotator."""
    settings = Settings.from_env()
    set_up_logging(settings.log_level)
    service = Service(settings)
    service.key_check.try_later()
    service.load_model()
    service.learning_worker.start()
    app: Flask = init_app(FirstpassModel.bound_to(service))
    return app

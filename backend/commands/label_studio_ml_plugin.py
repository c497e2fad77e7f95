"""The annotator as a LabelStudioMLBase, for deployments that use label-studio-ml 2.x.

    gunicorn --workers 1 --threads 8 'backend.commands.label_studio_ml_plugin:create()'

or by the framework's own command, from this folder:

    label-studio-ml create mine --script backend/commands/label_studio_ml_plugin.py:FirstpassModel
    PYTHONPATH=. label-studio-ml start mine --check

Needs requirements-label-studio-ml.txt. The requests are answered by the framework's own server;
docs/operations.md says what that lacks compared with `python -m backend serve`.
"""

import json
import logging
import threading
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import orjson
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from label_studio_ml import api
from label_studio_ml.model import LabelStudioMLBase

from backend.errors import RequestError, SettingsError
from backend.label_studio.config_digest import config_digest
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.webhook_events import is_handled
from backend.log_setup import set_up_logging
from backend.service import Service
from backend.settings import Settings

log = logging.getLogger(__name__)
_starting = threading.Lock()


class FirstpassModel(LabelStudioMLBase):
    """The framework makes an instance for each request, so the service is a class attribute."""

    service: ClassVar[Service]

    @classmethod
    def bound_to(cls, service: Service) -> "type[FirstpassModel]":
        return type(cls.__name__, (cls,), {"service": service})

    def __init__(self, *args: Any, **options: Any) -> None:
        # `label-studio-ml start` knows the class alone: its first instance starts the service.
        with _starting:
            if not hasattr(type(self), "service"):
                type(self).service = start_service()
        super().__init__(*args, **options)

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
            context=context or None,  # the framework's is {} where Label Studio sends none
            auth=(login, password or "") if login else None,
        )
        # The framework writes JSON with Flask, which knows no NumPy arrays: points of polygons.
        plain = orjson.loads(orjson.dumps(answers, option=orjson.OPT_SERIALIZE_NUMPY))
        return cast(list[dict[str, Any]], plain)

    def fit(self, event: str, data: dict[str, Any], **_: Any) -> dict[str, str]:
        return queue_event(self.service, {"action": event, **data})


def queue_event(service: Service, event: Mapping[str, Any]) -> dict[str, str]:
    """Queue an event to be learned from. Raises RequestError for one that lacks something."""
    if not is_handled(event):
        return {"status": "ignored"}
    # The framework names projects by their id alone.
    service.events.push({**event, "project": {**event["project"], "created_at": None}})
    return {"status": "queued"}


def take_all_events(service: Service) -> None:
    """Have the framework's /webhook take deletions and bulk imports, which it drops itself."""

    def webhook() -> ResponseReturnValue:
        event = request.get_json()
        if not isinstance(event, Mapping):
            return "/webhook needs an event of Label Studio, a JSON object.", 400
        try:
            if is_handled(event) and event["action"] in api.TRAIN_EVENTS:
                answer: ResponseReturnValue = api.webhook()
                return answer
            return jsonify(queue_event(service, event)), 201
        except RequestError as error:
            return str(error), error.http_status

    api._server.view_functions["webhook"] = webhook


def start_service() -> Service:
    """The service by the environment's settings, its model loaded, learning."""
    settings = Settings.from_env()
    set_up_logging(settings.log_level)
    service = Service(settings)
    service.key_check.try_later()
    service.load_model()
    service.learning_worker.start()
    take_all_events(service)
    return service


def create() -> Flask:
    """label-studio-ml's Flask app for this annotator."""
    app: Flask = api.init_app(FirstpassModel.bound_to(start_service()))
    return app

"""The same annotator as a LabelStudioMLBase, for those who host with label-studio-ml 2.x.

    gunicorn --workers 1 --threads 8 'backend.commands.label_studio_ml_plugin:create()'

Needs requirements-label-studio-ml.txt. The framework's own server keeps its habits: see the README
for what it does less well than `python -m backend serve`.
"""

import json
import logging
from concurrent.futures import Future
from typing import Any, ClassVar, cast

import orjson
from flask import Flask
from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase

from backend.errors import SettingsError
from backend.http.app import Parts
from backend.label_studio.client import LabelStudio
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.webhook_events import matters
from backend.learning.event_queue import CorrectionQueue
from backend.prediction.annotator import Annotator
from backend.prediction.project_registry import Projects
from backend.settings import Settings
from backend.store.store import open_store
from backend.wsgi import build_annotator, build_learner

log = logging.getLogger(__name__)


class FirstpassModel(LabelStudioMLBase):
    """One is made for each request: the parts that live longer are the class's own."""

    annotator: ClassVar[Annotator]
    corrections: ClassVar[CorrectionQueue]
    projects: ClassVar[Projects]

    @classmethod
    def bound_to(
        cls, annotator: Annotator, corrections: CorrectionQueue, projects: Projects
    ) -> "type[FirstpassModel]":
        parts = {"annotator": annotator, "corrections": corrections, "projects": projects}
        return type(cls.__name__, (cls,), parts)

    def setup(self) -> None:
        version = self.annotator.version(self.project_settings(), str(self.project_id))
        self.set("model_version", version)

    def set_extra_params(self, extra_params: Any) -> None:
        """Keep what /setup sent; the framework itself can keep only text."""
        settings, ignored = ProjectSettings.from_extra_params(extra_params)
        self.projects.remember(str(self.project_id), settings)  # for those who learn
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
        """One item a task; a task that failed has no "result", which Label Studio skips."""
        login, password = params.get("login"), params.get("password")
        answers = self.annotator.predict(
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
        correction = {"action": event, **data}
        if matters(correction):
            # The framework knows projects by their id alone.
            correction["project"] = {**correction["project"], "created_at": None}
            self.corrections.push(correction)
        return {"status": "queued"}


def create() -> Flask:
    """label-studio-ml's Flask app with Firstpass behind it."""
    settings = Settings.from_env()
    store = open_store(settings.redis_url or None, settings.data_dir)
    label_studio = LabelStudio(settings.label_studio_url, settings.label_studio_api_key or None)
    parts = Parts(
        settings, Future(), store, label_studio, CorrectionQueue(store, settings.data_dir)
    )
    parts.annotator.set_result(build_annotator(settings, store, label_studio, parts.metrics))
    build_learner(parts).start()
    return init_app(
        FirstpassModel.bound_to(parts.annotator.result(), parts.corrections, parts.projects)
    )

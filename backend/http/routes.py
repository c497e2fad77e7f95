"""The routes: they read requests and make responses; the work is done by the service's parts."""

import logging
import time
from concurrent.futures import TimeoutError as FutureTimeoutError  # its own class before 3.11
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, request

from backend.errors import Overloaded, RequestError
from backend.http.agreement_rows import agreement_rows
from backend.http.app_state import app_state
from backend.http.degradations import degradations, projects_with_lessons
from backend.http.json_bodies import json_response, read_json_body
from backend.label_studio.config_digest import config_digest
from backend.label_studio.controls import check_config_of_setup
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.webhook_events import DELETIONS, is_handled
from backend.prediction.annotator import Annotator
from backend.prediction.model_versions import model_versions, unused_lessons_warning

MAX_SET_ASIDE_ROWS = 20  # in /ready
SETUP_TIMEOUT_S = 2.0  # Label Studio gives /setup 3 s

routes = Blueprint("service", __name__)
log = logging.getLogger(__name__)


@routes.get("/")
@routes.get("/health")
def health() -> Response:
    """Whether the process is up. Label Studio asks before almost every prediction."""
    return json_response({"status": "UP", "model_class": "Firstpass"})


@routes.post("/setup")
def setup() -> Response:
    """Validate and store a project's settings; returns its model version.

    Label Studio asks when a backend is connected, and before each prediction: its dialog, or later
    its list of models, shows why a config or a setting is refused.
    """
    body, service = read_json_body(), app_state().service
    project, label_config = str(body.get("project") or ""), str(body.get("schema") or "")
    settings, warnings = ProjectSettings.from_extra_params(body.get("extra_params"))
    warnings += check_config_of_setup(body.get("schema"))
    is_key_new = service.label_studio.update_from_setup(
        body.get("hostname"), body.get("access_token")
    )
    service.key_check.note_setup(is_key_new=is_key_new)
    annotator = wait_for_annotator(SETUP_TIMEOUT_S)
    version = annotator.version(settings, project, label_config)
    service.projects.save(project, settings, config_digest(label_config))
    if unused := unused_lessons_warning(annotator, project, settings):
        warnings.append(unused)
    for sentence in warnings:
        app_state().warn_once(f"project {project}: {sentence}")
    app_state().warmer.warm_later(annotator.resolve_context, label_config, settings)
    return json_response({"model_version": version, "warnings": warnings})


@routes.post("/predict")
def predict() -> Response:
    """A prediction for each task, or the masks for clicks in the context."""
    if not app_state().free_predictions.acquire(blocking=False):
        raise Overloaded("Too many predictions are running already. Ask again in a moment.")
    try:
        with app_state().service.metrics.predicting.track_inprogress():
            return predict_response(read_json_body())
    finally:
        app_state().free_predictions.release()


def predict_response(body: dict[str, Any]) -> Response:
    service, started_s = app_state().service, time.perf_counter()
    tasks, label_config, params = predict_arguments(body)
    project, login = str(body.get("project") or ""), params.get("login")
    results = wait_for_annotator(service.settings.predict_budget_s).predict(
        tasks,
        label_config,
        service.projects.settings_of(project),
        project_id=project,
        context=params.get("context"),
        auth=(login, params.get("password") or "") if login else None,
    )
    with service.metrics.stage("json"):
        response = json_response({"results": results})
    failed = sum("result" not in result for result in results)
    took_ms = (time.perf_counter() - started_s) * 1000
    log.info(
        "predict: project %s, %d tasks, %d failed, %.0f ms", project, len(tasks), failed, took_ms
    )
    return response


def predict_arguments(body: dict[str, Any]) -> tuple[list[Any], str, dict[str, Any]]:
    tasks, label_config = body.get("tasks"), body.get("label_config")
    params = body.get("params") or {}
    if not isinstance(tasks, list):
        raise RequestError('/predict needs "tasks", a list of Label Studio tasks.')
    if not isinstance(label_config, str):
        raise RequestError('/predict needs "label_config", the XML of the labeling config.')
    if not isinstance(params, dict) or not isinstance(params.get("context") or {}, dict):
        raise RequestError('"params" of /predict, and "context" in it, must be objects or null.')
    return tasks, label_config, params


@routes.post("/webhook")
def webhook() -> tuple[Response, int]:
    """Queue an event. Label Studio waits 1 s and never repeats it, so it is processed later."""
    event, service = read_json_body(), app_state().service
    if not is_handled(event) or not (service.is_learning or event["action"] in DELETIONS):
        service.metrics.events.labels("other").inc()
        return json_response({"status": "ignored"}), 200
    service.metrics.events.labels(event["action"]).inc()
    service.events.push(event)
    if service.is_model_loaded:
        service.learning_worker.wake()
    return json_response({"status": "queued"}), 201


@routes.route("/versions", methods=["GET", "POST"])
def versions() -> Response:
    """Model versions of the project in the body, or of all projects, as Label Studio asks.

    All: those that this process has set up, and those with lessons.
    """
    service = app_state().service
    project = str(read_json_body().get("project") or "") if request.get_data() else ""
    known = [*reversed(service.projects.set_up_here()), *projects_with_lessons(service)]
    project_names = [project] if project else dict.fromkeys(known)
    found = model_versions(wait_for_annotator(SETUP_TIMEOUT_S), service.projects, project_names)
    return json_response({"versions": found})


@routes.get("/ready")
def ready() -> tuple[Response, int]:
    """200 if the service can predict, with what, and what is degraded (such as a lost store)."""
    service = app_state().service
    state: dict[str, Any] = {
        "store": service.store.describe(),
        "degraded": degradations(service),
        "failures": service.failures.as_json(),
        "set_aside": [asdict(one) for one in service.events.set_aside.newest(MAX_SET_ASIDE_ROWS)],
        "agreement": agreement_rows(service),
    }
    if not service.model_loaded.done():
        return json_response({"status": "loading", **state}), 503
    if error := service.model_loaded.exception():
        return json_response({"status": "failed", "message": str(error), **state}), 503
    return json_response({"status": "ready", **service.annotator.describe(), **state}), 200


@routes.get("/metrics")
def metrics() -> Response:
    text = app_state().service.metrics.exposition()
    return Response(text, mimetype="text/plain; version=0.0.4")


def wait_for_annotator(timeout_s: float) -> Annotator:
    """The annotator once the model is loaded. Raises Overloaded after `timeout_s`."""
    service = app_state().service
    try:
        service.model_loaded.result(timeout_s)
    except FutureTimeoutError as error:
        raise Overloaded("The model is still loading. Ask again in a moment.") from error
    return service.annotator

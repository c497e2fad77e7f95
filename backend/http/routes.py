"""The routes: they read requests and make responses; the work is done by the service's parts."""

import logging
import time
from typing import Any

from flask import Blueprint, Response, current_app

from backend.errors import FirstpassError
from backend.http import passing_on
from backend.http.app_state import app_state, wait_for_annotator
from backend.http.degradations import projects_with_lessons
from backend.http.json_bodies import has_body, json_response, read_json_body
from backend.http.openapi import openapi_document
from backend.http.page import is_page_asked_for, page_response
from backend.http.readiness import readiness
from backend.http.request_limits import check_number_of_tasks
from backend.http.request_models import PredictBody, SetupBody, VersionsBody, parse_body
from backend.http.warm_up import start_words
from backend.label_studio.config_digest import config_digest
from backend.label_studio.controls import check_config_of_setup
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.webhook_events import DELETIONS, is_handled
from backend.prediction.label_vocabulary import foreign_labels_warning
from backend.prediction.model_versions import model_versions, unused_lessons_warning
from backend.prediction.prediction_items import task_id_of
from backend.recent_failures import error_code

SETUP_TIMEOUT_S = 2.0  # Label Studio gives /setup 3 s

routes = Blueprint("service", __name__)
log = logging.getLogger(__name__)


@routes.get("/")
def home() -> Response:
    """The page, for browsers; for Label Studio's client, which asks here, too, /health."""
    return page_response() if is_page_asked_for() else health()


@routes.get("/health")
def health() -> Response:
    """Whether the process is up. Label Studio asks before almost every prediction."""
    return json_response({"status": "UP", "model_class": "Firstpass"})


@routes.post("/setup")
def setup() -> Response:
    """Validate and store a project's settings; returns its model version.

    Label Studio asks when a backend is connected, and before each prediction. Its dialog shows why
    a config or a setting is refused; later its list of models says "Error" alone, and /ready why.
    """
    body, service = parse_body(SetupBody, read_json_body(), "/setup"), app_state().service
    project, label_config = body.project, body.label_config or ""
    try:
        settings, warnings = ProjectSettings.from_extra_params(body.extra_params)
        warnings += check_config_of_setup(body.label_config)
    except FirstpassError as error:  # where both were edited later, Label Studio shows no reason
        service.failures.add(project, "setup", error_code(error), str(error))
        raise
    if foreign := foreign_labels_warning(label_config, settings):
        warnings.append(foreign)
    is_key_new = service.label_studio.update_from_setup(body.hostname, body.access_token)
    service.key_check.note_setup(is_key_new=is_key_new)
    annotator = wait_for_annotator(SETUP_TIMEOUT_S)
    version = annotator.version(settings, project, label_config)
    service.projects.save(project, settings, config_digest(label_config))
    if unused := unused_lessons_warning(annotator, project, settings):
        warnings.append(unused)
    for sentence in warnings:
        app_state().warn_once(f"project {project}: {sentence}")
    start_words(service, label_config, settings)
    return json_response({"model_version": version, "warnings": warnings})


@routes.post("/predict")
def predict() -> Response:
    """A prediction for each task, or the masks for clicks in the context."""
    body = read_json_body()
    check_number_of_tasks(body)
    asked = parse_body(PredictBody, body, "/predict")
    is_click = asked.params is not None and asked.params.context is not None
    if passed_on := answer_of_owner(asked, body):
        return passed_on
    with app_state().prediction_slot(len(asked.tasks), is_click=is_click):
        return predict_response(asked, body)


def answer_of_owner(asked: PredictBody, body: dict[str, Any]) -> Response | None:
    """Of the worker that has the image of a single task, where that is another one."""
    if len(asked.tasks) != 1:
        return None
    key = f"{asked.project}/{task_id_of(asked.tasks[0])}"
    return passing_on.answer_of_owner(key, app_state().service.settings.predict_budget_s, body)


def predict_response(asked: PredictBody, body: dict[str, Any]) -> Response:
    service, started_s = app_state().service, time.perf_counter()
    params = body.get("params") or {}
    results = wait_for_annotator(service.settings.predict_budget_s).predict(
        asked.tasks,
        asked.label_config,
        service.projects.settings_of(asked.project),
        project_id=asked.project,
        context=params.get("context"),
        auth=(params["login"], params.get("password") or "") if params.get("login") else None,
    )
    with service.metrics.stage("json"):
        response = json_response({"results": results})
    failed = sum("result" not in result for result in results)
    took_ms = (time.perf_counter() - started_s) * 1000
    log.info(
        "predict: project %s, %d tasks, %d failed, %.0f ms",
        asked.project, len(results), failed, took_ms,
    )  # fmt: skip
    return response


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
        service.early_deletions.note(event)
    return json_response({"status": "queued"}), 201


@routes.route("/versions", methods=["GET", "POST"])
def versions() -> Response:
    """Model versions of the project in the body, or of all projects, as Label Studio asks.

    All: those that this process has set up, and those with lessons.
    """
    service = app_state().service
    body = parse_body(VersionsBody, read_json_body(), "/versions") if has_body() else None
    project = body.project if body else ""
    known = [*reversed(service.projects.set_up_here()), *projects_with_lessons(service)]
    project_names = [project] if project else dict.fromkeys(known)
    found = model_versions(wait_for_annotator(SETUP_TIMEOUT_S), service.projects, project_names)
    return json_response({"versions": found})


@routes.get("/ready")
def ready() -> tuple[Response, int]:
    """200 if the service can predict, with what, and what is degraded (such as a lost store)."""
    state = readiness(app_state().service)
    return json_response(state), 200 if state["status"] == "ready" else 503


@routes.get("/metrics")
def metrics() -> Response:
    """Counters in Prometheus' text format, since the start of the process."""
    text = app_state().service.metrics.exposition()
    return Response(text, mimetype="text/plain; version=0.0.4")


@routes.get("/openapi.json")
def openapi() -> Response:
    """This description of every route, as OpenAPI 3.1."""
    return json_response(openapi_document(current_app, app_state().service.settings))

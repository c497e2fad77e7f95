"""The routes: HTTP in, HTTP out. What they do is in the parts of the service."""

import logging
import time
from concurrent.futures import TimeoutError as FutureTimeoutError  # its own class before 3.11
from typing import Any

from flask import Blueprint, Response, request

from backend.errors import Overloaded, RequestError
from backend.http.degradations import degradations, known_projects
from backend.http.json_bodies import json_body, json_response
from backend.http.serving import serving
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.webhook_events import DELETIONS, is_handled
from backend.prediction.annotator import Annotator
from backend.prediction.model_versions import model_versions, unused_lessons

SETUP_WAITS_S = 2.0  # Label Studio gives /setup 3 s

routes = Blueprint("service", __name__)
log = logging.getLogger(__name__)


@routes.get("/")
@routes.get("/health")
def health() -> Response:
    """Is the process up? Asked before almost every prediction: it touches nothing else."""
    return json_response({"status": "UP", "model_class": "Firstpass"})


@routes.post("/setup")
def setup() -> Response:
    """Validate and remember a project's choices; answer the model version that it gets."""
    body, service = json_body(), serving().service
    project = str(body.get("project") or "")
    settings, warnings = ProjectSettings.from_extra_params(body.get("extra_params"))
    service.label_studio.update_from_setup(body.get("hostname"), body.get("access_token"))
    annotator = annotator_within(SETUP_WAITS_S)
    version = annotator.version(settings, project)
    service.projects.remember(project, settings)
    if unused := unused_lessons(annotator, project, settings):
        warnings.append(unused)
    for sentence in warnings:
        serving().warn_once(f"project {project}: {sentence}")
    serving().warmer.warm_later(annotator.resolve, str(body.get("schema") or ""), settings)
    return json_response({"model_version": version, "warnings": warnings})


@routes.post("/predict")
def predict() -> Response:
    """A prediction for each task, or the answer to clicks in the context."""
    if not serving().free_predictions.acquire(blocking=False):
        raise Overloaded("Too many predictions are running already. Ask again in a moment.")
    try:
        with serving().service.metrics.predicting.track_inprogress():
            return answer_predict(json_body())
    finally:
        serving().free_predictions.release()


def answer_predict(body: dict[str, Any]) -> Response:
    service, started_s = serving().service, time.perf_counter()
    tasks, label_config, params = predict_arguments(body)
    project, login = str(body.get("project") or ""), params.get("login")
    results = annotator_within(service.settings.predict_budget_s).predict(
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
    """Take an event in. Label Studio waits 1 s and never asks twice: the work is done later."""
    event, service = json_body(), serving().service
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
    """Of the project in the body, or, as Label Studio asks, of all."""
    service = serving().service
    project = str(json_body().get("project") or "") if request.get_data() else ""
    of = [project] if project else known_projects(service)
    found = model_versions(annotator_within(SETUP_WAITS_S), service.projects, of)
    return json_response({"versions": found})


@routes.get("/ready")
def ready() -> tuple[Response, int]:
    """Can it predict now, with what, and what is degraded? A lost store stops no prediction."""
    service = serving().service
    state: dict[str, Any] = {"store": service.store.describe(), "degraded": degradations(service)}
    if not service.model_loaded.done():
        return json_response({"status": "loading", **state}), 503
    if error := service.model_loaded.exception():
        return json_response({"status": "failed", "message": str(error), **state}), 503
    return json_response({"status": "ready", **service.annotator.describe(), **state}), 200


@routes.get("/metrics")
def metrics() -> Response:
    text = serving().service.metrics.text()
    return Response(text, mimetype="text/plain; version=0.0.4")


def annotator_within(timeout_s: float) -> Annotator:
    """The annotator, when the model is loaded within this time. Raises Overloaded."""
    service = serving().service
    try:
        service.model_loaded.result(timeout_s)
    except FutureTimeoutError as error:
        raise Overloaded("The model is still loading. Ask again in a moment.") from error
    return service.annotator

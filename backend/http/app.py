"""The service: HTTP in, HTTP out. Routes only; what they do is in the parts they are given."""

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError  # its own class before 3.11
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request

from backend.errors import FirstpassError, Overloaded, RequestError
from backend.http.basic_auth import refusal
from backend.http.degradations import model_degradations
from backend.http.json_bodies import answer, answer_error, body_object
from backend.label_studio.client import LabelStudio
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.webhook_events import DELETIONS, matters
from backend.learning.event_queue import CorrectionQueue
from backend.learning.worker import Learner
from backend.memory.lesson_store import MemoryStore
from backend.metrics import Metrics
from backend.prediction.annotator import Annotator
from backend.prediction.model_versions import known_projects, model_versions, trouble_of, troubles
from backend.prediction.project_registry import Projects
from backend.settings import Settings
from backend.store.store import Store
from model import ModelError

SETUP_WAITS_S = 2.0  # Label Studio gives /setup 3 s
REMEMBERED_CONFIGS = 1000  # labeling configs whose words are known to be embedded

routes = Blueprint("service", __name__)
log = logging.getLogger(__name__)


@dataclass
class Parts:
    """What the routes are given. The annotator is a Future: the model loads beside the server."""

    settings: Settings
    annotator: "Future[Annotator]"
    store: Store
    label_studio: LabelStudio
    corrections: CorrectionQueue
    metrics: Metrics = field(default_factory=Metrics)
    learner: Learner | None = None  # None while the model loads

    def __post_init__(self) -> None:
        self.projects = Projects(self.store)
        self.memory = MemoryStore(self.store, self.settings.learn_every)
        # Predictions may not take every thread: /health must always find one.
        self.free_predictions = threading.BoundedSemaphore(max(self.settings.threads * 2 // 3, 1))
        self.warmer = ThreadPoolExecutor(1, thread_name_prefix="warm")
        self.warmed: set[tuple[str, bytes]] = set()
        self.said: set[str] = set()

    def say_once(self, sentence: str) -> None:
        """In the log: Label Studio sets up before every prediction, and people read once."""
        if sentence not in self.said:
            if len(self.said) >= REMEMBERED_CONFIGS:
                self.said.clear()
            self.said.add(sentence)
            log.warning("%s", sentence)

    def degradations(self) -> list[str]:
        """Sentences: what works less well than it could, and the cure."""
        found = []
        store = self.store.describe()
        found += [store["degraded"]] if store["degraded"] else []
        found += store["advice"]
        if self.annotator.done() and not self.annotator.exception():
            annotator = self.annotator.result()
            found += model_degradations(annotator.describe())
            found += troubles(annotator, self.projects, self.memory)
        if not self.settings.label_studio_api_key:
            found.append(
                "No LABEL_STUDIO_API_KEY: images uploaded to Label Studio can be read only where "
                "its legacy tokens are on. Make a personal access token there under Account & "
                "Settings, and set it."
            )
        return found


def create_app(parts: Parts) -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = parts.settings.max_body_mb * 2**20
    app.extensions["parts"] = parts
    app.register_blueprint(routes)
    app.before_request(lambda: refusal(parts.settings))
    app.after_request(count_request)
    app.register_error_handler(Exception, answer_error)
    return app


@routes.get("/")
@routes.get("/health")
def health() -> Response:
    """Is the process up? Asked before almost every prediction: it touches nothing else."""
    return answer({"status": "UP", "model_class": "Firstpass"})


@routes.post("/setup")
def setup() -> Response:
    body, parts = body_object(), parts_of_app()
    project = str(body.get("project") or "")
    settings, ignored = ProjectSettings.from_extra_params(body.get("extra_params"))
    hostname, token = (
        value if isinstance(value := body.get(key), str) else None
        for key in ("hostname", "access_token")
    )
    parts.label_studio.learn_from_setup(hostname, token)
    annotator = annotator_within(SETUP_WAITS_S)
    version = annotator.version(settings, project)
    parts.projects.remember(project, settings)
    trouble = trouble_of(annotator, project, settings)
    warnings = [*ignored, trouble] if trouble else ignored
    for sentence in warnings:
        parts.say_once(f"project {project}: {sentence}")
    warm_later(annotator, str(body.get("schema") or ""), settings)
    return answer({"model_version": version, "warnings": warnings})


@routes.post("/predict")
def predict() -> Response:
    parts, started = parts_of_app(), time.perf_counter()
    if not parts.free_predictions.acquire(blocking=False):
        raise Overloaded("Too many predictions are running already. Ask again in a moment.")
    try:
        with parts.metrics.predicting.track_inprogress():
            body = body_object()
            tasks, label_config, params = predict_arguments(body)
            project = str(body.get("project") or "")
            results = annotator_within(parts.settings.predict_budget_s).predict(
                tasks,
                label_config,
                parts.projects.recall(project),
                project_id=project,
                context=params.get("context"),
                auth=(params["login"], params.get("password") or "")
                if params.get("login")
                else None,
            )
            with parts.metrics.stage("json"):
                response = answer({"results": results})
    finally:
        parts.free_predictions.release()
    failed = sum("result" not in result for result in results)
    log.info(
        "predict: project %s, %d tasks, %d failed, %.0f ms",
        project, len(tasks), failed, (time.perf_counter() - started) * 1000,
    )  # fmt: skip
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
    event, parts = body_object(), parts_of_app()
    if not matters(event) or (parts.settings.learn == "off" and event["action"] not in DELETIONS):
        parts.metrics.events.labels("other").inc()
        return answer({"status": "ignored"}), 200
    parts.metrics.events.labels(event["action"]).inc()
    parts.corrections.push(event)
    if parts.learner is not None:
        parts.learner.wake()
    return answer({"status": "queued"}), 201


@routes.route("/versions", methods=["GET", "POST"])
def versions() -> Response:
    """Of the project in the body, or, as Label Studio asks, of all."""
    parts = parts_of_app()
    project = str(body_object().get("project") or "") if request.get_data() else ""
    of = [project] if project else known_projects(parts.memory)
    found = model_versions(annotator_within(SETUP_WAITS_S), parts.projects, of)
    return answer({"versions": found})


@routes.get("/ready")
def ready() -> tuple[Response, int]:
    """Can it predict now, with what, and what is degraded? A lost store stops no prediction."""
    parts = parts_of_app()
    state: dict[str, Any] = {"store": parts.store.describe(), "degraded": parts.degradations()}
    if not parts.annotator.done():
        return answer({"status": "loading", **state}), 503
    if error := parts.annotator.exception():
        return answer({"status": "failed", "message": str(error), **state}), 503
    return answer({"status": "ready", **parts.annotator.result().describe(), **state}), 200


@routes.get("/metrics")
def metrics() -> Response:
    return Response(parts_of_app().metrics.text(), mimetype="text/plain; version=0.0.4")


def parts_of_app() -> Parts:
    return current_app.extensions["parts"]


def annotator_within(timeout_s: float) -> Annotator:
    try:
        return parts_of_app().annotator.result(timeout_s)
    except FutureTimeoutError as error:
        raise Overloaded("The model is still loading. Ask again in a moment.") from error


def warm_later(annotator: Annotator, label_config: str, settings: ProjectSettings) -> None:
    """Embed the words of a project in the background, once, so that its first task is not slow."""
    parts = parts_of_app()
    key = (label_config, settings.to_json())
    if key in parts.warmed or not label_config:
        return
    if len(parts.warmed) >= REMEMBERED_CONFIGS:
        parts.warmed.clear()
    parts.warmed.add(key)

    def warm() -> None:
        try:
            annotator.warm(label_config, settings)
        except (FirstpassError, ModelError) as error:
            log.warning("%s", error)  # each task will say the same
        except Exception:
            log.exception("embedding the words of a project failed")

    parts.warmer.submit(warm)


def count_request(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "unknown"
    parts_of_app().metrics.requests.labels(route, response.status_code).inc()
    return response

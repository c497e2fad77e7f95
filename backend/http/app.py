"""Builds the Flask app of a service."""

from flask import Flask, Response, request

from backend.http.app_state import AppState, app_state
from backend.http.basic_auth import check_basic_auth
from backend.http.host_check import check_host_and_origin
from backend.http.json_bodies import handle_error
from backend.http.page import page
from backend.http.passing_on import is_passed_on
from backend.http.playground import Playground
from backend.http.routes import routes
from backend.service import Service


def create_app(service: Service) -> Flask:
    app = Flask(__name__, static_folder=None)  # the page's files are served where it is on
    app.config["MAX_CONTENT_LENGTH"] = service.settings.max_body_mb * 2**20
    app.extensions["app_state"] = AppState.of(service)
    app.register_blueprint(routes)
    if service.settings.playground == "on":
        app.extensions["playground"] = Playground(service)
        app.register_blueprint(page)
    app.before_request(lambda: check_host_and_origin(service.settings))
    app.before_request(lambda: check_basic_auth(service))
    app.after_request(count_request)
    app.register_error_handler(Exception, handle_error)
    return app


def count_request(response: Response) -> Response:
    if is_passed_on():
        return response
    route = request.url_rule.rule if request.url_rule else "unknown"
    app_state().service.metrics.requests.labels(route, response.status_code).inc()
    return response

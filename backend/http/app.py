"""The Flask app of a service."""

from flask import Flask, Response, request

from backend.http.basic_auth import refusal
from backend.http.json_bodies import error_answer
from backend.http.routes import routes
from backend.http.serving import Serving, serving
from backend.service import Service


def create_app(service: Service) -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = service.settings.max_body_mb * 2**20
    app.extensions["serving"] = Serving.of(service)
    app.register_blueprint(routes)
    app.before_request(lambda: refusal(service.settings))
    app.after_request(count_request)
    app.register_error_handler(Exception, error_answer)
    return app


def count_request(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "unknown"
    serving().service.metrics.requests.labels(route, response.status_code).inc()
    return response

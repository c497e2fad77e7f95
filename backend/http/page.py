"""The page at /: its files, and the requests that its scripts make. Off with PLAYGROUND=off."""

from dataclasses import asdict
from pathlib import Path

from flask import Blueprint, Response, current_app, request

from backend.checks.checklist import CHECKS_WHILE_SERVING, installation_of, run_checks
from backend.errors import ForeignRequest, RequestError
from backend.http.app_state import app_state, wait_for_annotator
from backend.http.json_bodies import error_response, json_response, read_body, read_json_body
from backend.http.page_options import page_options
from backend.http.page_status import page_status
from backend.http.passing_on import answer_of_keeper
from backend.http.playground import Playground
from backend.http.request_models import ClickBody, SegmentBody, parse_body
from backend.sample_photos.photos import SAMPLE_PHOTOS

PAGE = Path(__file__).with_name("static") / "page.html"
MODEL_TIMEOUT_S = 30.0  # for the model to load, when a photo is asked for

page = Blueprint("page", __name__, static_folder="static", static_url_path="/static")

# Nothing from elsewhere, no script or style in the HTML, no frame around it.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def is_page_asked_for() -> bool:
    """Whether a browser asks, and the page is on; programs take anything, or JSON."""
    wanted = request.accept_mimetypes.best_match(["application/json", "text/html"])
    return "page" in current_app.blueprints and wanted == "text/html"


def page_response() -> Response:
    response = Response(PAGE.read_bytes(), mimetype="text/html")
    response.headers["Vary"] = "Accept"
    return secured(response)


@page.before_request
def refuse_foreign_pages() -> None:
    """Raise ForeignRequest for what another site's page asks in the browser of somebody here.

    Browsers say where a request comes from; programs say nothing, and are let in as everywhere.
    Beside `check_host_and_origin`, for what has no Origin: images, scripts, frames.
    """
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    is_opened_by_hand = request.method == "GET" and site == "none"
    if site != "same-origin" and not is_opened_by_hand:
        raise ForeignRequest("Only the page of this service itself may ask this.")


@page.after_request
def secured(response: Response) -> Response:
    response.headers.extend(SECURITY_HEADERS)
    response.headers.setdefault("Cache-Control", "no-cache")
    return response


def playground() -> Playground:
    found: Playground = current_app.extensions["playground"]
    wait_for_annotator(MODEL_TIMEOUT_S)
    return found


def budget_s() -> float:
    return app_state().service.settings.predict_budget_s


@page.get("/page/status")
def status() -> Response:
    """What runs, what is degraded, projects with versions, lessons, quality and failures."""
    return json_response(page_status(app_state().service))


@page.get("/page/options")
def options() -> Response:
    """Methods, refiners and the photos that ship."""
    return json_response(page_options(app_state().service))


@page.get("/page/samples/<name>")
def sample(name: str) -> Response:
    """A photo that ships."""
    found = next((one for one in SAMPLE_PHOTOS if one.name == name), None)
    if found is None:
        return error_response(404, "http", f"There is no such photo: {name!r:.80}.")
    return Response(found.path.read_bytes(), mimetype="image/jpeg")


@page.post("/page/check")
def check() -> Response:
    """What `doctor` finds of the data folder, of Label Studio and of the connection."""
    found = run_checks(installation_of(app_state().service), CHECKS_WHILE_SERVING)
    return json_response({"checks": [asdict(one) for one in found]})


@page.post("/page/photo")
def add_photo() -> Response:
    """Take in the photo in the body; it is kept in memory for a while."""
    with app_state().prediction_slot():
        data = read_body()
        if not data:
            raise RequestError("The body must be the bytes of a photo.")
        return json_response(playground().add_photo(data))


@page.get("/page/photo/<name>")
def preview(name: str) -> Response:
    """The photo as a JPEG for the browser, upright, at the size of the label maps."""
    if passed_on := answer_of_keeper(name, MODEL_TIMEOUT_S):
        return passed_on
    response = Response(playground().preview(name), mimetype="image/jpeg")
    response.headers["Cache-Control"] = "no-store"
    return response


@page.post("/page/segment")
def segment() -> Response:
    """Masks of all labels in a photo: a label map, and what was asked, found and measured."""
    body = read_json_body()
    asked = parse_body(SegmentBody, body, "/page/segment")
    if passed_on := answer_of_keeper(asked.photo, budget_s(), body):
        return passed_on
    with app_state().prediction_slot():
        return json_response(playground().segment(asked))


@page.post("/page/click")
def click() -> Response:
    """The mask for clicks and boxes in a photo; the newest names the label."""
    body = read_json_body()
    asked = parse_body(ClickBody, body, "/page/click")
    if passed_on := answer_of_keeper(asked.photo, budget_s(), body):
        return passed_on
    with app_state().prediction_slot(is_click=True):
        return json_response(playground().click(asked, body["context"]))

"""`python -m backend demo`: a project with photos, connected and predicted, in a Label Studio."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import requests

from backend.checks.connection_checks import GUARD_REMEDY
from backend.commands.connect import connect as give_webhooks_their_secret
from backend.errors import LabelStudioError, SettingsError
from backend.label_studio.client import LabelStudio
from backend.label_studio.config_writer import write_config
from backend.listen_address import local_url
from backend.redaction import redact_url
from backend.sample_photos.photos import SAMPLE_PHOTOS
from backend.settings import Settings

TITLE = "Firstpass demo"
LABELS = ("Person", "Cat", "Cup", "Table", "Sky", "Tower", "Grass")
TIMEOUT_S = 150.0  # of a request: Label Studio itself waits 100 s for predictions
MAX_PROJECTS = 1000  # looked through for an earlier demo


def make_demo(settings: Settings, backend_url: str | None, say: Callable[[str], None]) -> str:
    """Where to look, after the project is there; an earlier demo is taken again.

    Raises SettingsError if Firstpass does not run, LabelStudioError for what Label Studio refuses.
    """
    backend_url = (backend_url or local_url(settings.host, settings.port)).rstrip("/")
    check_backend(local_url(settings.host, settings.port), settings)
    studio = LabelStudio(
        settings.label_studio_url, settings.label_studio_api_key or None, timeout_s=TIMEOUT_S
    )
    try:
        project = find_or_make_project(studio)
        say(f"project {project}: {TITLE!r} at {studio.shown_url}")
        add_photos(studio, project)
        say(f"photos: {', '.join(one.name for one in SAMPLE_PHOTOS)}")
        connect_model(studio, project, backend_url, settings)
        if settings.basic_auth_user:
            for line in give_webhooks_their_secret(settings, str(project)):
                say(line)
        say(f"model: {redact_url(backend_url)} is connected; retrieving predictions …")
        retrieve(studio, project)
        predicted = {one["task"] for one in studio.get_json("/api/predictions/", of(project))}
    except (LookupError, TypeError) as error:
        raise LabelStudioError(
            f"Label Studio at {studio.shown_url} answers unlike 1.23 ({type(error).__name__}: "
            f"{error}): update it."
        ) from error
    if not predicted:
        raise LabelStudioError(
            f"Project {project} is there, but no prediction came: Send Test Request in its "
            "Settings > Model says why (docs/troubleshooting.md, No masks?)."
        )
    return (
        f"{len(predicted)} photos have masks. Open {studio.shown_url}/projects/{project}/data and "
        "click on one; Auto-Annotation at the bottom of its page turns on clicks."
    )


def of(project: int) -> Mapping[str, Any]:
    return {"project": project}


def check_backend(url: str, settings: Settings) -> None:
    """Raise SettingsError if Firstpass does not answer there, or is not ready yet."""
    auth = (settings.basic_auth_user, settings.basic_auth_pass)
    try:
        response = requests.get(
            f"{url}/ready", auth=auth if settings.basic_auth_user else None, timeout=10
        )
    except requests.RequestException as error:
        raise SettingsError(
            f"Firstpass does not answer at {url} ({type(error).__name__}): start it first, with "
            "make serve, in another terminal with the same HOST and PORT."
        ) from error
    if response.status_code != 200:
        raise SettingsError(
            f"{url}/ready answers {response.status_code}: wait until Firstpass says that it is "
            "ready, and give this command the same settings."
        )


def find_or_make_project(studio: LabelStudio) -> int:
    query = {"include": "id,title", "page_size": MAX_PROJECTS}
    for row in studio.get_json("/api/projects/", query)["results"]:
        if row["title"] == TITLE:
            return int(row["id"])
    body = {"title": TITLE, "label_config": write_config(LABELS)}
    return int(studio.post_json("/api/projects/", body)["id"])


def add_photos(studio: LabelStudio, project: int) -> None:
    """Import the photos that ship, inside the tasks themselves, unless the project has tasks."""
    if studio.get_json(f"/api/projects/{project}/")["task_number"]:
        return
    tasks = []
    for photo in SAMPLE_PHOTOS:
        data = base64.b64encode(photo.path.read_bytes()).decode()
        tasks.append({"data": {"image": f"data:image/jpeg;base64,{data}"}})
    studio.post_json(f"/api/projects/{project}/import", tasks)


def connect_model(studio: LabelStudio, project: int, backend_url: str, settings: Settings) -> None:
    """Connect this backend, unless it is; clicks included."""
    rows = studio.get_json("/api/ml/", of(project))
    if any(row["url"].rstrip("/") == backend_url and row["state"] == "CO" for row in rows):
        return
    body = {"project": project, "url": backend_url, "title": "Firstpass", "is_interactive": True}
    if settings.basic_auth_user:
        body |= {
            "auth_method": "BASIC_AUTH",
            "basic_auth_user": settings.basic_auth_user,
            "basic_auth_pass": settings.basic_auth_pass,
        }
    try:
        studio.post_json("/api/ml/", body)
    except LabelStudioError as error:
        if "reserved network address" not in str(error):
            raise
        raise LabelStudioError(
            f"Label Studio refuses to reach {redact_url(backend_url)}: {GUARD_REMEDY}. Then run "
            "this command again."
        ) from error


def retrieve(studio: LabelStudio, project: int) -> None:
    path = f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}"
    studio.post_json(path, {"selectedItems": {"all": True, "excluded": []}})

"""Label Studio's own guard against private addresses, and ours, in each of their settings."""

from dataclasses import dataclass

import pytest

from backend.sample_photos.photos import SAMPLE_PHOTOS
from tests.e2e.editor.conftest import SHOTS, signed_in_context
from tests.support.fake_label_studio import Reply, WebServer
from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.label_studio_models import ModelsPage
from tests.support.label_studio_server import TOKEN, running_label_studio

pytestmark = pytest.mark.e2e

REFUSED = "URL resolves to a reserved network address (block: 127.0.0.0/8)"
CURE = "USE_DEFAULT_BANNED_SUBNETS=false"


@dataclass(frozen=True)
class Guard:
    settings: dict[str, str]  # of Label Studio
    is_refused: bool  # in the dialog
    is_saved: bool  # although it may have been refused
    doctor: tuple[bool | None, str]  # of its line "connection", with the project's number


UNUSED = (None, "project {project} does not use this backend yet, as far as can be seen")
GUARDS = {
    "as it starts": Guard(
        {"SSRF_PROTECTION_ENABLED": "true"}, is_refused=True, is_saved=False, doctor=UNUSED
    ),
    "backends alone": Guard(
        {"ML_BLOCK_LOCAL_IP": "false"},
        is_refused=True,
        is_saved=True,
        doctor=(False, "{url} in project {project}: no webhook, so no corrections"),
    ),
    "all but backends": Guard(
        {"SSRF_PROTECTION_ENABLED": "false"}, is_refused=True, is_saved=False, doctor=UNUSED
    ),
    "both off": Guard(
        {"ML_BLOCK_LOCAL_IP": "false", "SSRF_PROTECTION_ENABLED": "false"},
        is_refused=False,
        is_saved=True,
        doctor=(True, "{url} in project {project}: connected, with webhook"),
    ),
    "no default subnets, but this one": Guard(
        {"USE_DEFAULT_BANNED_SUBNETS": "false", "USER_ADDITIONAL_BANNED_SUBNETS": "127.0.0.0/8"},
        is_refused=True,
        is_saved=False,
        doctor=UNUSED,
    ),
}


@pytest.mark.parametrize("name", GUARDS)
def test_a_guarded_label_studio_refuses_in_its_dialog_and_the_doctor_has_the_cure(
    chromium, start, doctor, tmp_path, name
):
    guard = GUARDS[name]
    with running_label_studio(tmp_path / "ls", **guard.settings) as server:
        service = start(LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=TOKEN)
        project = server.new_project("guarded", CAT_DOG_CONFIG)
        service.wait_until_ready()
        with signed_in_context(chromium, server.url) as context:
            page = context.new_page()
            models = ModelsPage(page, server.url, project)
            said = models.connect(service.url)
            SHOTS.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=SHOTS / f"guard-{name.replace(' ', '-')}.png")
            assert (REFUSED in said) is guard.is_refused, said
        rows = server.ask("GET", f"/api/ml?project={project}")
        assert bool(rows) is guard.is_saved
        key = {"LABEL_STUDIO_URL": server.url, "LABEL_STUDIO_API_KEY": TOKEN}
        found = doctor(service, "--project", str(project), **key)
    ok, words = guard.doctor
    assert found["connection"].ok is ok
    assert found["connection"].found == words.format(url=service.url, project=project)
    assert (CURE in found["connection"].cure) is guard.is_refused
    assert found.code == (1 if ok is False else 0)


@pytest.fixture
def web():
    """A server on this machine that is not Label Studio."""
    server = WebServer()
    headers = {"Content-Type": "image/jpeg", "Access-Control-Allow-Origin": "*"}  # for the editor
    server.pages["/photo.jpg"] = Reply(SAMPLE_PHOTOS[0].path.read_bytes(), headers=headers)
    yield server
    server.close()


@pytest.mark.parametrize("is_allowed", [False, True], ids=["refused", "allowed"])
def test_an_image_of_a_private_host_needs_our_leave(
    label_studio, start, page, shoot, open_editor, web, is_allowed
):
    """Label Studio's page shows the photo either way: it is the browser that loads it."""
    allowed = {"IMAGE_HOSTS_ALLOWED": "127.0.0.1"} if is_allowed else {}
    service = start(LABEL_STUDIO_URL=label_studio.url, LABEL_STUDIO_API_KEY=TOKEN, **allowed)
    service.wait_until_ready()
    project = label_studio.new_project("private images", CAT_DOG_CONFIG)
    task = label_studio.import_task(project, image=f"{web.url}/photo.jpg")
    models = ModelsPage(page, label_studio.url, project)
    assert models.connect(service.url, '{"min_score": 0}') == ""
    item = models.test_item()
    shoot("test-request")
    models.retrieve_predictions()
    models.wait_for_predictions(1 if is_allowed else 0)
    if is_allowed:
        editor = open_editor(project, task)
        editor.wait_for_regions(len(item["result"]))
        editor.look()
        return
    assert item["error"]["code"] == "image_forbidden"
    assert "add 127.0.0.1 to IMAGE_HOSTS_ALLOWED" in item["error"]["message"]
    (row,) = service.ask("GET", "/ready").json()["failures"]
    assert "IMAGE_HOSTS_ALLOWED" in str(row)
    page.goto(service.url)
    page.get_by_text("IMAGE_HOSTS_ALLOWED").first.wait_for()

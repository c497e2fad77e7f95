"""What an operator sees of a real Label Studio: connections, tokens, versions, refusals."""

from pathlib import Path

import pytest
from PIL import Image

from backend.commands.connection_checks import find_connections
from backend.commands.project_name import ask_label_studio
from backend.errors import ImageForbidden
from backend.images.loader import ImageConfig, ImageLoader
from backend.label_studio.client import LabelStudio
from backend.label_studio.key_check import KeyCheck
from backend.masks.brush_rle import encode_mask
from backend.service import Service
from backend.settings import Settings
from tests.e2e.conftest import TOKEN, LabelStudioServer
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

CONFIG = (
    '<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">'
    '<Label value="Cat"/><Label value="Dog"/></BrushLabels></View>'
)


@pytest.fixture(scope="module")
def photo_file(tmp_path_factory, photo) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    Image.fromarray(photo).save(path)
    return path


@pytest.fixture(scope="module")
def backend(label_studio, make_running) -> RunningService:
    return make_running(LABEL_STUDIO_URL=label_studio.url, LABEL_STUDIO_API_KEY=TOKEN)


@pytest.fixture
def client(label_studio) -> LabelStudio:
    return LabelStudio(label_studio.url, TOKEN)


def connected(server: LabelStudioServer, backend: RunningService, title: str) -> int:
    project = server.new_project(title, CONFIG)
    server.connect(project, backend.url)
    return project


def test_each_project_is_checked_for_its_own_webhook(label_studio, backend, client):
    right, wrong = (connected(label_studio, backend, title) for title in ("right", "wrong"))
    for webhook in label_studio.ask("GET", "/api/webhooks/"):
        if webhook["project"] == wrong:
            label_studio.ask("DELETE", f"/api/webhooks/{webhook['id']}/")
    port = int(backend.url.rpartition(":")[2])
    found = {one.project: one.problem for one in find_connections(client, port).found}
    assert (found[right], found[wrong]) == ("", "no webhook, so no corrections")
    (one,) = find_connections(client, port, str(wrong)).found
    assert one.problem == found[wrong]


def test_the_number_of_a_project_is_resolved_as_it_names_it_in_its_requests(
    label_studio, backend, tmp_path
):
    project = connected(label_studio, backend, "numbered")
    settings = Settings(
        data_dir=tmp_path, label_studio_url=label_studio.url, label_studio_api_key=TOKEN
    )
    name = ask_label_studio(Service(settings), str(project))
    # Its own /setup has brought this name to the backend.
    versions = backend.ask("POST", "/versions", json={"project": name})
    assert versions.ok
    made = label_studio.ask("GET", f"/api/projects/{project}/")
    assert name.startswith(f"{made['id']}.")


def test_a_training_started_by_a_submission_has_what_was_submitted(
    label_studio, backend, photo_file, photo
):
    project = connected(label_studio, backend, "trains itself")
    label_studio.ask(
        "PATCH", f"/api/projects/{project}/", json={"start_training_on_annotation_update": True}
    )
    (task,) = label_studio.upload(project, photo_file)
    region = {
        "from_name": "tag", "to_name": "image", "type": "brushlabels", "id": "r",
        "original_width": 64, "original_height": 48, "image_rotation": 0,
        "value": {
            "format": "rle", "rle": encode_mask(photo[..., 0] > 200),
            "brushlabels": ["Cat"],
        },
    }  # fmt: skip
    path = f"/api/tasks/{task}/annotations/?project={project}"
    label_studio.ask("POST", path, json={"result": [region]})

    def version() -> str:
        return label_studio.ask("GET", f"/api/ml?project={project}")[0]["model_version"]

    wait_until(lambda: "+memory-1-" in version(), 60)


def test_local_files_that_are_off_are_said_in_its_own_words(client):
    load = ImageLoader(ImageConfig(), client)
    with pytest.raises(ImageForbidden, match="LOCAL_FILES_SERVING_ENABLED"):
        load("/data/local-files/?d=a.png")


def test_its_answers_to_keys_are_told_apart(label_studio, client):
    def problem(key: str | None) -> str:
        check = KeyCheck(LabelStudio(label_studio.url, key))
        check.try_now()
        return check.problem or ""

    assert problem(TOKEN) == ""
    assert "is given" in problem(None)
    assert "refuses the legacy token" in problem(TOKEN[::-1])
    refresh = label_studio.ask("POST", "/api/token/")["token"]
    assert problem(refresh) == ""
    assert "refuses the personal access token" in problem(refresh[:-4] + "AAAA")

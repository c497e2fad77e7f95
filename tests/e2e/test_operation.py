"""What an operator sees of a real Label Studio: connections, tokens, versions, refusals."""

import pytest

from backend.checks.connection_checks import find_connections
from backend.commands.project_name import ask_label_studio
from backend.errors import ImageForbidden
from backend.images.loader import ImageConfig, ImageLoader
from backend.label_studio.client import LabelStudio
from backend.label_studio.key_check import KeyCheck
from backend.service import Service
from backend.settings import Settings
from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.label_studio_server import TOKEN

pytestmark = pytest.mark.e2e


@pytest.fixture
def client(label_studio) -> LabelStudio:
    return LabelStudio(label_studio.url, TOKEN)


def test_each_project_is_checked_for_its_own_webhook(label_studio, backend, connected, client):
    right, wrong = (connected(CAT_DOG_CONFIG) for _ in range(2))
    for webhook in label_studio.ask("GET", "/api/webhooks/"):
        if webhook["project"] == wrong:
            label_studio.ask("DELETE", f"/api/webhooks/{webhook['id']}/")
    port = int(backend.url.rpartition(":")[2])
    found = {one.project: one.problem for one in find_connections(client, port).found}
    assert (found[right], found[wrong]) == ("", "no webhook, so no corrections")
    (one,) = find_connections(client, port, str(wrong)).found
    assert one.problem == found[wrong]


def test_the_number_of_a_project_is_resolved_as_it_names_it_in_its_requests(
    label_studio, backend, connected, tmp_path
):
    project = connected(CAT_DOG_CONFIG)
    settings = Settings(
        data_dir=tmp_path, label_studio_url=label_studio.url, label_studio_api_key=TOKEN
    )
    name = ask_label_studio(Service(settings), str(project))
    # Its own /setup has brought this name to the backend.
    versions = backend.ask("POST", "/versions", json={"project": name})
    assert versions.ok
    made = label_studio.ask("GET", f"/api/projects/{project}/")
    assert name.startswith(f"{made['id']}.")


def test_local_files_that_are_off_are_said_in_its_own_words(client):
    load = ImageLoader(ImageConfig(), client)
    with pytest.raises(ImageForbidden, match="LOCAL_FILES_SERVING_ENABLED"):
        load("/data/local-files/?d=a.png")


def test_its_answers_to_keys_are_told_apart(label_studio, personal_token):
    def problem(key: str | None) -> str:
        check = KeyCheck(LabelStudio(label_studio.url, key))
        check.try_now()
        return check.problem or ""

    assert problem(TOKEN) == ""
    assert "is given" in problem(None)
    assert "refuses the legacy token" in problem(TOKEN[::-1])
    assert problem(personal_token) == ""
    assert "refuses the personal access token" in problem(personal_token[:-4] + "AAAA")

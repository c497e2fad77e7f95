"""What the doctor finds, on real sockets, folders and a Label Studio that answers like 1.23.2."""

import os
import socket
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.commands import doctor_checks
from backend.commands.doctor import run_checks
from backend.commands.doctor_checks import Check, Installation, examine
from backend.errors import StoreError
from backend.label_studio.client import LabelStudio
from backend.settings import Settings
from tests.backend.fake_label_studio import (
    LEGACY,
    PERSONAL,
    FakeLabelStudio,
    Reply,
    WebServer,
    as_json,
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def studio():
    """Its first project has a model at port 9090, connected, with a webhook."""
    server = FakeLabelStudio()
    server.pages["/api/projects/"] = as_json({"results": [{"id": 3}]})
    connect(server, "http://127.0.0.1:9090")
    yield server
    server.close()


def connect(server: FakeLabelStudio, url: str, *, state: str = "CO", has_webhook: bool = True):
    """As GET /api/ml/ and GET /api/webhooks/ of Label Studio 1.23.2 tell it."""
    row = {"id": 1, "state": state, "readable_state": "Connected", "url": url, "project": 3}
    if state != "CO":
        row["readable_state"] = "Disconnected"
    server.pages["/api/ml/?project=3"] = as_json([row])
    hooks = [{"id": 1, "project": 3, "url": f"{url}/webhook", "is_active": True}]
    server.pages["/api/webhooks/"] = as_json(hooks if has_webhook else [])


@pytest.fixture
def installation(studio, tmp_path) -> Installation:
    return Installation(
        describe_model=lambda: "starter-1a2b/firstpass on cpu",
        describe_store=lambda: "embedded",
        host="127.0.0.1",
        port=9090,
        data_dir=tmp_path / "data",
        local_root=None,
        label_studio=LabelStudio(studio.url, PERSONAL),
    )


def found_by(installation: Installation, name: str) -> Check:
    (check,) = [check for check in examine(installation) if check.name == name]
    return check


@pytest.fixture(autouse=True)
def port_9090_is_free(monkeypatch):
    """Port 9090 is only a name in these tests, but for those that look at ports."""
    monkeypatch.setattr(
        doctor_checks,
        "EXAMINATIONS",
        tuple(f for f in doctor_checks.EXAMINATIONS if f is not doctor_checks.port),
    )


def test_a_healthy_installation_has_nothing_to_cure(installation):
    found = examine(installation)
    assert {check.name for check in found} == {
        "model", "store", "data folder", "local files", "Label Studio", "token", "connection",
        "networking",
    }  # fmt: skip
    assert all(check.ok is True and not check.cure for check in found)


def test_the_doctor_changes_nothing_in_label_studio(installation, studio):
    examine(installation)
    written = [asked.path for asked in studio.asked if asked.method != "GET"]
    assert written == ["/api/token/refresh/"]


def test_a_model_or_store_that_cannot_be_built_says_why_and_stops_no_other_check(installation):
    def fail():
        raise StoreError("Redis does not answer: start it.")

    def crash():
        raise ImportError("libcudart.so")

    found = examine(replace(installation, describe_model=crash, describe_store=fail))
    assert found[0] == Check("model", False, "ImportError", "libcudart.so")
    assert found[1] == Check("store", False, "StoreError", "Redis does not answer: start it.")
    assert len(found) == 8


def test_a_data_folder_that_cannot_be_written_names_the_setting(installation, tmp_path):
    (tmp_path / "file").write_text("in the way")
    found = found_by(replace(installation, data_dir=tmp_path / "file" / "data"), "data folder")
    assert found.ok is False
    assert "DATA_DIR" in found.cure


def test_a_full_disk_is_told(installation, monkeypatch):
    monkeypatch.setattr(doctor_checks, "FREE_BYTES_WANTED", 1 << 70)
    found = found_by(installation, "data folder")
    assert found.ok is False
    assert "GB free" in found.found
    assert "make room" in found.cure


@pytest.fixture
def with_ports(monkeypatch):
    monkeypatch.setattr(doctor_checks, "EXAMINATIONS", (doctor_checks.port,))


@pytest.mark.usefixtures("with_ports")
class TestPort:
    def test_a_free_port_is_well(self, installation):
        assert found_by(replace(installation, port=free_port()), "port").ok is True

    def test_a_port_of_another_program_is_told(self, installation):
        other = WebServer()
        try:
            found = found_by(replace(installation, port=other.port), "port")
        finally:
            other.close()
        assert found.ok is False
        assert "set PORT" in found.cure

    @pytest.mark.parametrize(
        "page",
        [
            as_json({"status": "UP", "model_class": "Firstpass"}),
            Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="Firstpass"'}),
        ],
        ids=["open", "with password"],
    )
    def test_a_port_where_firstpass_serves_already_is_well(self, installation, page):
        server = WebServer()
        server.pages["/health"] = page
        try:
            found = found_by(replace(installation, port=server.port), "port")
        finally:
            server.close()
        assert found.ok is True
        assert "already" in found.found

    def test_an_address_of_another_machine_is_told(self, installation):
        found = found_by(replace(installation, host="192.0.2.1", port=free_port()), "port")
        assert found.ok is False
        assert "HOST" in found.cure


def test_local_files_are_looked_for(installation, tmp_path):
    found = found_by(replace(installation, local_root=tmp_path), "local files")
    assert found.ok is True
    assert "LOCAL_FILES_SERVING_ENABLED=true" in found.found
    found = found_by(replace(installation, local_root=tmp_path / "none"), "local files")
    assert found.ok is False
    assert "LOCAL_FILES_DOCUMENT_ROOT" in found.cure


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_local_files_that_this_user_cannot_read_are_told(installation, tmp_path):
    tmp_path.chmod(0o000)
    try:
        assert found_by(replace(installation, local_root=tmp_path), "local files").ok is False
    finally:
        tmp_path.chmod(0o700)


def test_a_label_studio_that_is_not_there_names_the_setting(installation):
    gone = replace(installation, label_studio=LabelStudio("http://127.0.0.1:1", PERSONAL))
    found = found_by(gone, "Label Studio")
    assert found.ok is False
    assert "LABEL_STUDIO_URL" in found.cure
    assert "container" not in found.cure
    names = [check.name for check in examine(gone)]
    assert "token" not in names  # nothing more to ask of it
    assert "networking" in names


def test_localhost_inside_a_container_is_the_container_itself(installation):
    gone = LabelStudio("http://localhost:1", PERSONAL)
    found = found_by(replace(installation, label_studio=gone, is_container=True), "Label Studio")
    assert "host.docker.internal" in found.cure


def test_another_program_at_the_address_is_told(installation, studio):
    studio.pages["/api/version"] = as_json(["nothing"])
    found = found_by(installation, "Label Studio")
    assert found.ok is False
    assert found.cure


@pytest.mark.parametrize(
    ("api_key", "ok", "kind", "cure"),
    [
        (PERSONAL, True, "personal access token of admin@example.com", ""),
        (None, None, "no token", "LABEL_STUDIO_API_KEY"),  # images on the web need none
        (LEGACY, False, "legacy token", "legacy tokens are off"),
        (PERSONAL.rpartition(".")[0], False, "without its end", "without its last part"),
        ("hunter2", False, "no known kind", "neither"),
    ],
)
def test_the_token_is_named_and_tried(installation, studio, api_key, ok, kind, cure):
    studio.is_legacy_allowed = False
    found = found_by(replace(installation, label_studio=LabelStudio(studio.url, api_key)), "token")
    assert found.ok is ok
    assert kind in found.found
    assert cure in found.cure
    assert bool(found.cure) is (ok is not True)


def test_answers_of_another_api_are_a_finding_not_a_crash(installation, studio):
    studio.pages["/api/current-user/whoami"] = as_json({"id": 1})
    found = found_by(installation, "Label Studio API")
    assert found.ok is False
    assert found.cure == "update Label Studio"


GUARD = ("ML_BLOCK_LOCAL_IP=false", "SSRF_PROTECTION_ENABLED=false", "USE_DEFAULT_BANNED_SUBNETS")


def test_a_connection_without_webhook_means_that_half_of_the_guard_is_on(installation, studio):
    connect(studio, "http://127.0.0.1:9090", has_webhook=False)
    found = found_by(installation, "connection")
    assert found.ok is False
    assert "no webhook, so no corrections" in found.found
    assert all(name in found.cure for name in GUARD)


@pytest.mark.parametrize(
    ("release", "host", "names_the_guard"),
    [
        ("1.23.2", "127.0.0.1", True),
        ("1.23.1", "0.0.0.0", True),
        ("1.24.0.dev1", "127.0.0.1", True),
        ("1.23.0", "127.0.0.1", False),  # the guard is off by default
        ("1.9.2", "127.0.0.1", False),
        ("1.23.2", "93.184.216.34", False),  # a public address is not refused
    ],
)
def test_without_a_connection_the_guard_is_named_where_it_would_refuse_us(
    installation, studio, release, host, names_the_guard
):
    studio.pages["/api/version"] = as_json({"release": release})
    connect(studio, "http://127.0.0.1:7777")  # another model's
    found = found_by(replace(installation, host=host), "connection")
    assert found.ok is None
    assert "9090" in found.cure
    assert all(name in found.cure for name in GUARD) is names_the_guard


def test_a_connection_that_is_down_says_which(installation, studio):
    connect(studio, "http://127.0.0.1:9090", state="DI")
    found = found_by(installation, "connection")
    assert found.ok is False
    assert "project 3: Disconnected" in found.found


def test_projects_are_asked_for_few_at_a_time(installation, studio):
    examine(installation)
    (asked,) = [asked for asked in studio.asked if asked.path.startswith("/api/projects/")]
    assert parse_qs(urlsplit(asked.path).query) == {"include": ["id"], "page_size": ["20"]}


@pytest.mark.parametrize(
    ("host", "studio_url", "is_container", "ok"),
    [
        ("0.0.0.0", "http://10.0.0.5:1", False, True),  # all addresses of this machine
        ("127.0.0.1", "http://localhost:1", False, None),  # well, unless that one is in Docker
        ("127.0.0.1", "http://127.0.0.1:1", True, False),  # alone in its container
        ("localhost", "http://127.0.0.2:1", True, False),
        ("0.0.0.0", "http://127.0.0.1:1", True, True),
    ],
)
def test_an_address_that_only_this_machine_sees_is_told(
    installation, host, studio_url, is_container, ok
):
    changed = replace(
        installation,
        host=host,
        label_studio=LabelStudio(studio_url, timeout_s=0.2),
        is_container=is_container,
    )
    found = found_by(changed, "networking")
    assert found.ok is ok
    assert ("HOST=0.0.0.0" in found.cure) is (ok is not True)


def test_a_connection_that_works_proves_the_network(installation, studio):
    connect(studio, "http://host.docker.internal:9090")
    assert "reaches us" in found_by(installation, "networking").found


def test_neighbours_in_one_container_see_each_other(installation, studio):
    connect(studio, "http://127.0.0.1:7777")
    assert found_by(replace(installation, is_container=True), "networking").ok is True


def test_the_settings_become_the_checks_of_real_parts(studio, tiny_checkpoint, tmp_path):
    settings = Settings(
        port=free_port(),
        data_dir=tmp_path,
        clip_model=tiny_checkpoint.model,
        clip_pretrained=tiny_checkpoint.pretrained,
        device="cpu",
        label_studio_url=studio.url,
        label_studio_api_key=PERSONAL,
    )
    found = {check.name: check for check in run_checks(settings)}
    assert found["model"].ok is True
    assert "firstpass" in found["model"].found
    assert "cpu" in found["model"].found
    assert found["store"].ok is True
    assert "embedded" in found["store"].found
    assert found["token"].ok is True

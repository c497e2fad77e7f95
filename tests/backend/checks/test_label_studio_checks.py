"""The doctor's checks of Label Studio, against one that answers like 1.23.2."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.checks.installation import Check, Installation
from backend.checks.label_studio_checks import check_label_studio
from backend.label_studio.client import LabelStudio
from tests.support.fake_label_studio import LEGACY, PERSONAL, WHOAMI, as_json, connect_backend, jwt

REVOKED = jwt(token_type="refresh", exp=8102577163, iat=1795377163, jti="another", user_id="1")


def found_by(installation: Installation, name: str) -> Check:
    (check,) = [check for check in check_label_studio(installation) if check.name == name]
    return check


def test_a_label_studio_that_is_not_there_names_the_setting(installation):
    gone = replace(installation, label_studio=LabelStudio("http://127.0.0.1:1", PERSONAL))
    found = found_by(gone, "Label Studio")
    assert found.ok is False
    assert "LABEL_STUDIO_URL" in found.remedy
    assert "container" not in found.remedy
    names = [check.name for check in check_label_studio(gone)]
    assert "token" not in names  # nothing more to ask of it
    assert "networking" in names


def test_localhost_inside_a_container_is_the_container_itself(installation):
    gone = LabelStudio("http://localhost:1", PERSONAL)
    found = found_by(replace(installation, label_studio=gone, is_container=True), "Label Studio")
    assert "host.docker.internal" in found.remedy


def test_another_program_at_the_address_is_told(installation, studio):
    studio.pages["/api/version"] = as_json(["nothing"])
    found = found_by(installation, "Label Studio")
    assert found.ok is False
    assert found.remedy


@pytest.mark.parametrize(
    ("api_key", "ok", "kind", "remedy"),
    [
        (PERSONAL, True, "personal access token of admin@example.com", ""),
        (None, None, "none given", "LABEL_STUDIO_API_KEY"),  # images on the web need none
        (LEGACY, False, "legacy token, refused", "legacy tokens are off"),
        (REVOKED, False, "personal access token, refused", "was revoked"),
        (PERSONAL.rpartition(".")[0], False, "without its end", "without its last part"),
        ("hunter2", False, "no known kind, refused", "neither"),
    ],
)
def test_the_token_is_named_and_tried(installation, studio, api_key, ok, kind, remedy):
    studio.is_legacy_allowed = False
    found = found_by(replace(installation, label_studio=LabelStudio(studio.url, api_key)), "token")
    assert found.ok is ok
    assert kind in found.found
    assert remedy in found.remedy
    assert bool(found.remedy) is (ok is not True)


def test_answers_of_another_api_are_a_finding_not_a_crash(installation, studio):
    studio.pages[WHOAMI] = as_json({"id": 1})
    found = found_by(installation, "Label Studio API")
    assert found.ok is False
    assert found.remedy == "update Label Studio"


def test_projects_that_cannot_be_listed_do_not_make_the_token_a_refused_one(installation, studio):
    studio.pages["/api/projects/"] = as_json({"detail": "a bug"}, 500)
    assert found_by(installation, "token").ok is True
    assert "500" in found_by(installation, "Label Studio API").remedy


GUARD = ("ML_BLOCK_LOCAL_IP=false", "SSRF_PROTECTION_ENABLED=false", "USE_DEFAULT_BANNED_SUBNETS")


def test_a_connection_without_webhook_means_that_half_of_the_guard_is_on(installation, studio):
    connect_backend(studio, "http://127.0.0.1:9090", has_webhook=False)
    found = found_by(installation, "connection")
    assert found.ok is False
    assert "no webhook, so no corrections" in found.found
    assert all(name in found.remedy for name in GUARD)


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
    connect_backend(studio, "http://127.0.0.1:7777")  # another model's
    found = found_by(replace(installation, host=host), "connection")
    assert found.ok is None
    assert "9090" in found.remedy
    assert all(name in found.remedy for name in GUARD) is names_the_guard


def test_a_connection_that_is_down_says_which(installation, studio):
    connect_backend(studio, "http://127.0.0.1:9090", state="DI")
    found = found_by(installation, "connection")
    assert found.ok is False
    assert "project 3: Disconnected" in found.found


def test_projects_are_asked_for_few_at_a_time(installation, studio):
    list(check_label_studio(installation))
    (asked,) = [asked for asked in studio.asked if asked.path.startswith("/api/projects/?")]
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
    assert ("HOST=0.0.0.0" in found.remedy) is (ok is not True)


def test_a_connection_that_works_proves_the_network(installation, studio):
    connect_backend(studio, "http://host.docker.internal:9090")
    assert "reaches us" in found_by(installation, "networking").found


def test_neighbors_in_one_container_see_each_other(installation, studio):
    connect_backend(studio, "http://127.0.0.1:7777")
    assert found_by(replace(installation, is_container=True), "networking").ok is True

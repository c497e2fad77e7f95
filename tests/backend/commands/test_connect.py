"""`connect` gives Label Studio's webhooks to us their secret, and no other webhook."""

import json

from backend.label_studio.webhook_secret import HEADER, webhook_secret
from tests.support.fake_label_studio import (
    PERSONAL,
    Asked,
    FakeLabelStudio,
    Reply,
    as_json,
    connect_backend,
)

URL = "http://127.0.0.1:9090"
SECRET = webhook_secret("fp", "geheim")


def settings(studio: FakeLabelStudio) -> dict[str, str]:
    return {
        "LABEL_STUDIO_URL": studio.url,
        "LABEL_STUDIO_API_KEY": PERSONAL,
        "BASIC_AUTH_USER": "fp",
        "BASIC_AUTH_PASS": "geheim",
    }


def connected(studio: FakeLabelStudio, project: int, url: str = URL, user: str = "fp") -> None:
    """A project whose backend has a password; PATCH of its webhook changes the row."""
    connect_backend(studio, url, project=project, webhook={"headers": {"X-Own": "kept"}})
    studio.backends[project]["basic_auth_user"] = user
    studio.pages[f"/api/ml/?project={project}"] = as_json([studio.backends[project]])

    def patch(asked: Asked) -> Reply:
        assert asked.method == "PATCH"
        (row,) = studio.webhooks[project]
        row.update(json.loads(asked.body))
        rows = [one for rows in studio.webhooks.values() for one in rows]
        studio.pages["/api/webhooks/"] = as_json(rows)
        return as_json(row)

    studio.pages[f"/api/webhooks/{project}/"] = patch


def test_each_webhook_gets_the_secret_beside_its_own_headers(run, studio):
    connected(studio, 3)
    connected(studio, 57)
    code, said, _ = run("connect", **settings(studio))
    assert code == 0
    assert said.count("has the secret now") == 2
    for project in (3, 57):
        (row,) = studio.webhooks[project]
        assert row["headers"] == {"X-Own": "kept", HEADER: SECRET}
    assert "geheim" not in said
    assert SECRET not in said
    _, said, _ = run("connect", **settings(studio))
    assert said.count("has the secret already") == 2


def test_one_project_can_be_named(run, studio):
    connected(studio, 3)
    connected(studio, 57)
    run("connect", "--project", "57", **settings(studio))
    assert HEADER not in studio.webhooks[3][0]["headers"]
    assert studio.webhooks[57][0]["headers"][HEADER] == SECRET


def test_the_backend_of_another_user_or_port_does_not_get_it(run, studio):
    connected(studio, 3, user="other")
    connected(studio, 4, url="http://127.0.0.1:7777")
    connected(studio, 5, url="http://127.0.0.1:99999")
    _, said, _ = run("connect", **settings(studio))
    assert "No webhook to a backend with port 9090 and user 'fp' was found" in said
    assert all(HEADER not in row["headers"] for (row,) in studio.webhooks.values())


def test_without_a_password_there_is_nothing_to_do(run, studio):
    code, _, said = run("connect", LABEL_STUDIO_URL=studio.url, BASIC_AUTH_USER="")
    assert code == 1
    assert "need no secret" in said


def test_the_doctor_misses_the_secret_and_finds_it(run, studio):
    connected(studio, 3)
    _, said, _ = run("doctor", **settings(studio))
    assert "project 3: a webhook without our secret" in said
    assert "python -m backend connect" in said
    run("connect", **settings(studio))
    _, said, _ = run("doctor", **settings(studio))
    assert "project 3 connected, with webhook" in said


def test_a_backend_with_an_impossible_port_is_none_of_ours(run, studio):
    connected(studio, 5, url="http://127.0.0.1:99999")
    _, said, _ = run("doctor", **settings(studio))
    assert "project 5" not in said

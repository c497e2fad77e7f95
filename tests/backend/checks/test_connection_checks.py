"""Whether each project that uses this backend is connected and sends its corrections."""

from dataclasses import replace

import pytest

from backend.checks.installation import Check, Installation
from backend.checks.label_studio_checks import check_label_studio
from backend.commands.cli import main
from tests.support.fake_label_studio import PERSONAL, as_json, connect_backend

URL = "http://127.0.0.1:9090"


def connections(installation: Installation, project: str | None = None) -> list[Check]:
    found = check_label_studio(replace(installation, project=project))
    return [check for check in found if check.name == "connection"]


def test_a_project_without_webhook_is_found_beside_one_with(installation, studio):
    connect_backend(studio, URL, project=57, has_webhook=False)
    (check,) = connections(installation)
    assert check.ok is False
    assert check.found == (
        "project 3 connected, with webhook; project 57: no webhook, so no corrections"
    )
    assert "doctor --project 57" in check.remedy


def test_the_webhook_of_another_project_is_none_of_this_one(installation, studio):
    connect_backend(studio, URL, project=57, has_webhook=False)
    (check,) = connections(installation, "57")
    assert (check.ok, check.found) == (
        False,
        f"{URL} in project 57: no webhook, so no corrections",
    )
    (check,) = connections(installation, "3")
    assert (check.ok, check.found) == (True, f"{URL} in project 3: connected, with webhook")


@pytest.mark.parametrize("state", ["CO", "DI"])
def test_a_login_in_the_address_is_not_shown(installation, studio, state):
    connect_backend(studio, "http://user:geheim@127.0.0.1:9090", state=state)
    (check,) = connections(installation, "3")
    assert check.ok is (state == "CO")  # its webhook is found under the address as it is
    assert URL in check.found
    assert "geheim" not in check.found + check.remedy


@pytest.mark.parametrize(
    ("error_message", "cure"),
    [
        (
            f"400 Client Error: It has nothing to paint. Add a BrushLabels. for url: {URL}/setup",
            "It has nothing to paint. Add a BrushLabels",
        ),
        ("Read timed out.", "failed (Read timed out.): the log of this backend"),
        (None, "failed (no reason)"),
        ("refused at http://user:geheim@127.0.0.1:9090", "the log of this backend"),
    ],
)
def test_a_refused_setup_is_told_with_the_reason_that_label_studio_does_not_show(
    installation, studio, error_message, cure
):
    connect_backend(studio, URL, state="ER", error_message=error_message)
    (check,) = connections(installation, "3")
    assert (check.ok, check.found) == (False, f"{URL} in project 3: Error")
    assert cure in check.remedy
    assert "geheim" not in check.remedy


@pytest.mark.parametrize(
    ("fields", "ok"),
    [
        ({"is_active": False}, False),
        ({"send_payload": False}, False),
        ({"send_for_all_actions": False, "actions": ["PROJECT_UPDATED"]}, False),
        (
            {
                "send_for_all_actions": False,
                "actions": ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"],
            },
            True,
        ),
        ({"project": None}, True),  # of the organization
    ],
)
def test_a_webhook_counts_if_it_sends_annotations(installation, studio, fields, ok):
    connect_backend(studio, URL, webhook=fields)
    (check,) = connections(installation)
    assert check.ok is ok
    assert ("sends no annotations" in check.found) is not ok


def test_many_projects_are_one_line(installation, studio):
    for project in range(1, 20):
        state = "DI" if project == 7 else "CO"
        connect_backend(studio, URL, project=project, state=state, has_webhook=project != 9)
    (check,) = connections(installation)
    assert "and 7 more connected, with webhook" in check.found
    assert "project 7: Disconnected" in check.found
    assert "project 9: no webhook" in check.found


def test_projects_that_were_not_looked_at_are_counted(installation, studio):
    studio.pages["/api/projects/"] = as_json({"count": 75, "results": [{"id": 3}]})
    (check,) = connections(installation)
    assert "20 of 75 projects looked at" in check.found


def test_a_project_that_does_not_use_this_backend_is_said(installation, studio):
    connect_backend(studio, "http://127.0.0.1:7777", project=8)
    (check,) = connections(installation, "8")
    assert check.ok is None
    assert check.found.startswith("project 8 does not use this backend")


def test_the_command_looks_at_one_project(studio, tiny_checkpoint, tmp_path, monkeypatch, capsys):
    for name, value in {
        "CLIP_MODEL": tiny_checkpoint.model,
        "CLIP_PRETRAINED": tiny_checkpoint.pretrained,
        "DEVICE": "cpu",
        "DATA_DIR": str(tmp_path),
        "LABEL_STUDIO_URL": studio.url,
        "LABEL_STUDIO_API_KEY": PERSONAL,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("REDIS_URL", raising=False)
    connect_backend(studio, URL, project=57, has_webhook=False)
    assert main(["doctor", "--project", "57"]) == 1
    assert "FAIL  connection: http://127.0.0.1:9090 in project 57: no webhook" in (
        capsys.readouterr().out
    )

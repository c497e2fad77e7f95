"""`demo` against a Label Studio that refuses, and a Firstpass that does not run; see tests/e2e."""

from urllib.parse import urlsplit

import pytest

from backend.commands.demo import TITLE
from tests.support.fake_label_studio import PERSONAL, Asked, FakeLabelStudio, Reply, as_json
from tests.support.running_service import free_port


@pytest.fixture
def projects(studio: FakeLabelStudio) -> FakeLabelStudio:
    """Knows one project, an earlier demo that has its photos, but no model."""
    rows = [{"id": 7, "title": "mine"}, {"id": 12, "title": TITLE}]
    studio.pages["/api/projects/"] = as_json({"count": 2, "results": rows})
    studio.pages["/api/projects/12/"] = as_json({"id": 12, "task_number": 4})
    return studio


def run_demo(run, studio, port: int) -> tuple[int, str, str]:
    return run("demo", LABEL_STUDIO_URL=studio.url, LABEL_STUDIO_API_KEY=PERSONAL, PORT=str(port))


def posted(studio: FakeLabelStudio) -> list[str]:
    paths = [urlsplit(asked.path).path for asked in studio.asked if asked.method == "POST"]
    return [path for path in paths if path != "/api/token/refresh/"]


def test_a_firstpass_that_does_not_run_is_said_before_anything_is_made(run, projects):
    code, _, said = run_demo(run, projects, free_port())
    assert code == 1
    assert "make serve" in said
    assert posted(projects) == []


def test_a_label_studio_that_may_not_reach_us_is_told_how(run, projects, running):
    def ml(asked: Asked) -> Reply:
        refusal = {"detail": "URL resolves to a reserved network address (block: 127.0.0.0/8)"}
        return as_json([]) if asked.method == "GET" else as_json(refusal, 403)

    projects.pages["/api/ml/"] = ml
    code, _, said = run_demo(run, projects, urlsplit(running.url).port or 0)
    assert code == 1
    assert "USE_DEFAULT_BANNED_SUBNETS=false" in said
    assert "Traceback" not in said


def test_an_earlier_demo_is_taken_again_and_no_prediction_is_no_success(run, projects, running):
    projects.pages["/api/ml/"] = as_json([{"url": running.url, "state": "CO"}])
    projects.pages["/api/dm/actions"] = as_json({"detail": "Retrieved 4 predictions"})
    projects.pages["/api/predictions/"] = as_json([])
    code, _, said = run_demo(run, projects, urlsplit(running.url).port or 0)
    assert code == 1
    assert "project 12" in said
    assert "Send Test Request" in said
    assert posted(projects) == ["/api/dm/actions"]

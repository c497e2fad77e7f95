"""The service is away, or has not the time for all tasks: what Label Studio's pages show."""

import pytest

from backend.label_studio.config_writer import write_config
from backend.sample_photos.photos import SAMPLE_PHOTOS
from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.label_studio_models import ModelsPage
from tests.support.label_studio_server import TOKEN
from tests.support.running_service import start_service
from tests.support.waiting import wait_until

pytestmark = pytest.mark.e2e

ALL = '{"min_score": 0}'


def test_a_service_that_stops_is_shown_disconnected_until_it_is_back(
    label_studio, start, doctor, tiny_checkpoint, tmp_path, page, shoot
):
    service = start(LABEL_STUDIO_URL=label_studio.url, LABEL_STUDIO_API_KEY=TOKEN)
    service.wait_until_ready()
    project = label_studio.new_project("outage", CAT_DOG_CONFIG)
    label_studio.upload(project, SAMPLE_PHOTOS[0].path)
    models = ModelsPage(page, label_studio.url, project)
    assert models.connect(service.url, ALL) == ""
    service.process.terminate()
    service.process.wait(120)

    assert "Disconnected" in models.card()
    shoot("disconnected")
    said = models.send_test_request()
    shoot("test-request")
    assert "ML backend did not return any predictions" in said
    models.retrieve_predictions()
    models.wait_for_predictions(0)
    found = doctor(service, "--project", str(project), LABEL_STUDIO_API_KEY=TOKEN)
    assert found.code == 1
    assert found["connection"].ok is False
    assert found["connection"].found == f"{service.url} in project {project}: Disconnected"
    assert f"start this backend, and check that Label Studio reaches {service.url}" in (
        found["connection"].cure
    )

    again = start_service(
        tmp_path, tiny_checkpoint, PORT=str(service.port),
        LABEL_STUDIO_URL=label_studio.url, LABEL_STUDIO_API_KEY=TOKEN,
    )  # fmt: skip
    service.process = again.process  # stopped with it
    service.wait_until_ready()
    assert "Connected" in models.card()
    models.retrieve_predictions()
    models.wait_for_predictions(1)
    found = doctor(service, "--project", str(project), LABEL_STUDIO_API_KEY=TOKEN)
    assert (found.code, found["connection"].ok) == (0, True)


N_TASKS = 12


@pytest.mark.parametrize("has_key", [True, False], ids=["with a key", "without a key"])
def test_tasks_over_the_budget_come_later_or_are_named(
    label_studio, start, page, shoot, open_editor, png_uri, rocket, has_key
):
    """The key is what lets the service store what it makes after the answer."""
    key = {"LABEL_STUDIO_API_KEY": TOKEN if has_key else TOKEN[::-1]}
    service = start(
        CLIP_MODEL="starter", CLIP_PRETRAINED="", PREDICT_BUDGET_S="1",
        LABEL_STUDIO_URL=label_studio.url, **key,
    )  # fmt: skip
    service.wait_until_ready()
    project = label_studio.new_project("over budget", write_config(("Sky", "Tower")))
    models = ModelsPage(page, label_studio.url, project)
    assert models.connect(service.url, ALL) == ""
    for number in range(N_TASKS):
        task = label_studio.import_task(project, image=png_uri(rocket[:, number:]))
    models.retrieve_predictions()
    shoot("retrieved")
    ready = service.ask("GET", "/ready").json()
    if not has_key:
        (row,) = [one for one in ready["failures"] if one["code"] == "overloaded"]
        assert f"of {N_TASKS} tasks done; choose Retrieve Predictions again" in row["message"]
        assert f"python -m backend prelabel --project {project}" in row["message"]
        assert len(label_studio.predictions(project)) < N_TASKS
        page.goto(service.url)
        page.get_by_text("choose Retrieve Predictions again").first.wait_for()
        return
    (row,) = ready["background"]
    assert row["project"].startswith(f"{project}.")
    assert 0 < row["tasks"] <= N_TASKS
    page.goto(service.url)
    page.get_by_text(f"project {project}: ").filter(has_text="tasks done").first.wait_for()
    shoot("our-page", is_whole=True)
    wait_until(lambda: len(label_studio.predictions(project)) == N_TASKS, 600)
    wait_until(lambda: not service.ask("GET", "/ready").json()["background"])
    models.open_data_manager()
    models.wait_for_predictions(N_TASKS)
    (last,) = [one for one in label_studio.predictions(project) if one["task"] == task]
    editor = open_editor(project, task)
    assert last["result"]
    editor.wait_for_regions(len(last["result"]))
    editor.look()

"""`prelabel` as a person runs it, against a Label Studio of which it knows only the API."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from tests.support.fake_label_studio import LEGACY
from tests.support.fake_project import FakeProject
from tests.support.running_service import ROOT
from tests.support.waiting import wait_until


@pytest.fixture
def project(studio, png_uri) -> FakeProject:
    images = [png_uri(np.full((32, 40, 3), 8 * shade, np.uint8)) for shade in range(30)]
    return FakeProject(studio, images)


@pytest.fixture
def prelabel(run, studio):
    def prelabel(*options: str, **environment: str):
        return run(
            "prelabel", "--project", "12", *options,
            LABEL_STUDIO_URL=studio.url, LABEL_STUDIO_API_KEY=LEGACY, **environment,
        )  # fmt: skip

    return prelabel


def test_a_project_is_predicted_and_a_second_run_finds_nothing_to_do(prelabel, project, tmp_path):
    code, said, error = prelabel("--report", str(tmp_path / "new" / "report.json"))
    assert code == 0, error
    assert "project 12: 30 predictions made in" in said
    assert "default settings, since it has no model connected" in error
    assert "30/30" in error
    assert [len(names) for names in project.all_versions().values()] == [1] * 30
    report = json.loads((tmp_path / "new" / "report.json").read_text())
    assert (report["project"], report["made"], report["end"]) == (12, 30, "done")
    code, said, _ = prelabel()
    assert (code, said) == (0, "project 12: 0 predictions made in 0 s\n")


def test_a_dry_run_says_what_would_be_done_and_does_nothing(prelabel, project):
    code, said, _ = prelabel("--dry-run", "--limit", "7", "--order", "newest")
    assert code == 0
    assert "30 tasks lack a prediction of tiny_clip" in said
    assert "7 would be predicted, the first is task 30. Nothing was done" in said
    assert project.predictions == []


def test_failed_tasks_are_in_the_report_and_in_the_exit_code(prelabel, project, tmp_path):
    project.tasks[2]["data"]["image"] = "data:image/png;base64,AAAA"
    code, said, _ = prelabel("--report", str(tmp_path / "report.json"))
    assert code == 3
    assert "1 failed, task 2: " in said
    (failure,) = json.loads((tmp_path / "report.json").read_text())["failures"]
    assert (failure["task"], failure["code"]) == (2, "image_broken")


def test_it_predicts_with_the_extra_params_of_the_model_in_label_studio(prelabel, project):
    params = {"background": ["sea"], "auto_negatives": False}
    project.backends = [{"extra_params": params, "model_version": "of serve"}]
    code, _, error = prelabel("--limit", "1")
    assert code == 0
    assert "extra params of its model in Label Studio" in error
    assert "note: Label Studio's model is at version of serve, this run makes tiny_clip" in error
    project.backends = []
    prelabel()
    assert len(project.versions(1)) == 2  # without these words it is another version


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ({"show_collab_predictions": False}, "the project shows no predictions"),
        ({"show_collab_predictions": True}, "the project has no model connected"),
    ],
)
def test_predictions_that_would_not_be_shown_are_said(prelabel, project, described, said):
    project.described |= described
    _, _, error = prelabel("--limit", "1")
    assert f"note: {said}" in error


@pytest.mark.parametrize(
    ("options", "described", "said"),
    [
        (("--project", "57"), {}, "has no project 57"),
        ((), {"label_config": "<View><Text name='t' value='$t'/></View>"}, "control"),
        (("--report", "."), {}, "--report . is a folder"),
    ],
)
def test_what_cannot_be_begun_is_one_sentence(prelabel, project, options, described, said):
    project.described |= described
    code, _, error = prelabel(*options)
    assert code == 1
    assert error.startswith("firstpass: ")
    assert said in error


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed: see make ray")
def test_an_engine_that_is_not_installed_is_said_with_the_command_for_it(prelabel, project):
    code, _, error = prelabel("--engine", "ray")
    assert code == 1
    assert "firstpass: --engine ray needs Ray" in error
    assert "requirements-ray.txt" in error


def test_a_run_that_is_killed_is_gone_on_with_and_nothing_is_done_twice(
    project, studio, tiny_checkpoint, tmp_path
):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
        "DATA_DIR": str(tmp_path / "data"),
        "CLIP_MODEL": tiny_checkpoint.model,
        "CLIP_PRETRAINED": tiny_checkpoint.pretrained,
        "LABEL_STUDIO_URL": studio.url,
        "LABEL_STUDIO_API_KEY": LEGACY,
    }
    command = [sys.executable, "-m", "backend", "prelabel", "--project", "12"]

    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    first = start()
    wait_until(lambda: len(project.predictions) > 3 or first.poll() is not None, 240)
    first.kill()
    first.communicate()
    n_before = len(project.predictions)
    assert 0 < n_before < 30
    second = start()
    said, error = second.communicate(timeout=240)
    assert second.returncode == 0, error
    assert f"project 12: {30 - n_before} predictions made" in said
    assert [len(names) for names in project.all_versions().values()] == [1] * 30

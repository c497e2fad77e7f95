"""label-studio-ml 2.x as a process, started as its documentation and ours say; it learns."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.support.annotations import CONFIG, PROJECT, TRAIN, rectangle
from tests.support.running_service import ROOT, free_port
from tests.support.waiting import wait_until

pytest.importorskip("label_studio_ml.response", reason="needs requirements-label-studio-ml.txt")

BIN = Path(sys.executable).parent
PLUGIN = "backend/commands/label_studio_ml_plugin.py:FirstpassModel"


def by_gunicorn(port: int, _folder: Path, _environment: dict[str, str]) -> list[str]:
    app = "backend.commands.label_studio_ml_plugin:create()"
    return ["-m", "gunicorn", "--threads", "8", "--bind", f"127.0.0.1:{port}", app]


def by_start(port: int, folder: Path, environment: dict[str, str]) -> list[str]:
    program, mine = str(BIN / "label-studio-ml"), str(folder / "mine")
    create = [sys.executable, program, "create", mine, "--script", PLUGIN]
    subprocess.run(create, cwd=ROOT, env=environment, check=True)
    return [program, "start", mine, "--check", "--host", "127.0.0.1", "--port", str(port)]


@contextmanager
def running(start: Callable, checkpoint, folder: Path) -> Iterator[str]:
    """The URL of a server started so."""
    port = free_port()
    environment = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "MODEL_DIR": str(folder),
        "DATA_DIR": str(folder / "data"),
        "CLIP_MODEL": checkpoint.model,
        "CLIP_PRETRAINED": checkpoint.pretrained,
        "DEVICE": "cpu",
        "PRECISION": "float32",
        "TRAINING_WAIT_S": "0",
    }
    command = [sys.executable, *start(port, folder, environment)]
    with (folder / "log").open("w") as log:
        # A group of its own: `label-studio-ml start` leaves the server to a shell.
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(60)


@pytest.mark.parametrize("start", [by_gunicorn, by_start])
def test_it_predicts_and_learns(start, tiny_checkpoint, tmp_path, photo_uri):
    task = {"id": 1, "data": {"image": photo_uri}}
    with running(start, tiny_checkpoint, tmp_path) as url:

        def post(path: str, body: dict) -> dict:
            answer = requests.post(url + path, json=body, timeout=120)
            assert answer.ok, answer.text
            return answer.json()

        def is_up() -> bool:
            try:
                return requests.get(f"{url}/health", timeout=60).ok
            except requests.RequestException:
                return False

        def version() -> str:
            setup = {"project": "1.1", "schema": CONFIG, "extra_params": None}
            return post("/setup", setup)["model_version"]

        wait_until(is_up, timeout_s=300)
        before = version()
        body = {"tasks": [task], "label_config": CONFIG, "project": "1.1", "params": {}}
        (item,) = post("/predict", body)["results"]
        assert "result" in item
        assert item["model_version"] == before
        annotation = {"id": 1, "result": [rectangle()], "updated_at": "2026-01-01T00:00:00Z"}
        created = {"action": "ANNOTATION_CREATED", "annotation": annotation, "task": task}
        project = {**PROJECT, "label_config": CONFIG}
        post("/webhook", {**created, "project": project})
        post("/webhook", {**TRAIN, "project": project})
        wait_until(lambda: version().startswith("mem1-"), timeout_s=120)

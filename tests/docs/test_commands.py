"""Every command of the README, of CONTRIBUTING.md and of the pages in docs/ and docker/ works.

Each `sh` block is run line by line, with these differences: `make` prints what it would do (a real
one installs gigabytes), `.venv/bin/python` is the Python of the tests, and the service listens on a
free port. photo.jpg, export.json and what project 3 has learnt are made here. What cannot run here
is in NOT_RUN, with the suite that runs it; test_named_commands.py reads its options all the same.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.docs.fenced_blocks import Block, blocks_of
from tests.docs.pages import LIVING_PAGES, ROOT
from tests.support.annotated_export import Export, cat_on_dog, disk, photo_of

BLOCKS = [block for page in LIVING_PAGES for block in blocks_of(page) if block.language == "sh"]
# By how a command begins: what it needs, and where it is run, or read, instead.
NOT_RUN = {
    "USE_DEFAULT_BANNED_SUBNETS=false label-studio": (
        "Label Studio",
        "tests/support/label_studio_server.py",
    ),
    ".venv/bin/python -m backend demo": ("Label Studio", "tests/e2e/test_demo.py"),
    ".venv/bin/python -m backend evaluate --project": (
        "Label Studio",
        "tests/e2e/test_evaluate.py",
    ),
    ".venv/bin/python -m backend memory learn": ("Label Studio", "tests/e2e/test_memory_learn.py"),
    ".venv/bin/python -m backend prelabel --project 12 --engine ray": (
        "Ray",
        "tests/ray/test_ray_engine.py",
    ),
    ".venv/bin/python -m backend prelabel": ("Label Studio", "tests/e2e/test_prelabel.py"),
    ".venv/bin/python -m backend tune --project": ("Label Studio", "tests/e2e/test_tune.py"),
    ".venv/bin/python -m pip install -r requirements-ray.txt": ("300 MB from an index", "Makefile"),
    ".venv/bin/python -m gunicorn": (
        "serves for ever",
        "tests/backend/commands/test_gunicorn_config.py",
    ),
    "docker compose": ("a container engine", "tests/test_docker_files.py"),
    "docker build": ("a container engine", "tests/test_docker_files.py"),
    "docker run": ("a container engine", "tests/test_docker_files.py"),
}


def is_run(command: str) -> bool:
    return not command.startswith(tuple(NOT_RUN))


def executable(path: Path, command: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, photo) -> Path:
    """Where the commands are run: what they name, at its place."""
    folder = tmp_path_factory.mktemp("checkout")
    programs = folder / ".venv" / "bin"
    executable(programs / "python", shlex.quote(sys.executable))
    executable(programs / "pre-commit", f"{shlex.quote(sys.executable)} -m pre_commit")
    subprocess.run(["git", "init", "--quiet", folder], check=True)  # for the hooks of pre-commit
    shutil.copy(ROOT / ".pre-commit-config.yaml", folder)
    make = shutil.which("make")
    if make is None:
        pytest.skip("the commands need make")
    executable(folder / "bin" / "make", f"{make} --dry-run --directory {shlex.quote(str(ROOT))}")
    Image.fromarray(photo).save(folder / "photo.jpg")
    export = Export(folder)
    for center_x in (20, 25, 30, 35, 40):
        export.add(photo_of(disk(center_x)), cat_on_dog(disk(center_x)))
    export.write()
    (folder / "docs").symlink_to(ROOT / "docs")
    return folder


@pytest.fixture(scope="module")
def taught_service(starter_service):
    """The service once it has learnt from annotation 17 of project 3."""
    event = (ROOT / "backend/http/examples/annotation_created.json").read_bytes()
    kind = {"Content-Type": "application/json"}
    assert starter_service.ask("POST", "/webhook", data=event, headers=kind).status_code == 201
    project_8 = {"project": "8.1795366021"}  # another one is known, since it was set up
    assert starter_service.ask("POST", "/setup", json=project_8).status_code == 200
    deadline = time.monotonic() + 240
    while (
        'firstpass_learning_total{kind="events"} 0.0' in starter_service.ask("GET", "/metrics").text
    ):
        assert time.monotonic() < deadline, "nothing was learnt"
        time.sleep(0.1)
    return starter_service


def run(command: str, folder: Path, service, checkpoint) -> subprocess.CompletedProcess:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "LOCAL_FILES_DOCUMENT_ROOT": str(folder / "images"),
        "DATA_DIR": str(service.log.parent / "data"),
        "CLIP_MODEL": checkpoint.model,
        "CLIP_PRETRAINED": checkpoint.pretrained,
    }
    return subprocess.run(
        ["bash", "-euc", command.replace("http://127.0.0.1:9090", service.url)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_commands_of_a_block_work(block: Block, folder, taught_service, tiny_checkpoint):
    for command in filter(is_run, block.commands()):
        done = run(command, folder, taught_service, tiny_checkpoint)
        assert done.returncode == 0, f"{command}\n{done.stdout}"


@pytest.mark.parametrize("start", NOT_RUN)
def test_what_is_not_run_here_is_in_a_page_and_run_by_its_suite(start):
    commands = [command for block in BLOCKS for command in block.commands()]
    assert any(command.startswith(start) for command in commands)
    _, suite = NOT_RUN[start]
    what = "BANNED_SUBNETS|demo|evaluate|learn|prelabel|tune|requirements-ray|docker|gunicorn"
    (word,) = re.findall(what, start)
    assert word in (ROOT / suite).read_text(encoding="utf-8")

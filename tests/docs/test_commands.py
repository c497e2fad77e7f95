"""Every command of the README, of CONTRIBUTING.md and of the pages in docs/ works.

Each `sh` block is run line by line, with these differences: `make` prints what it would do (a real
one installs gigabytes), `.venv/bin/python` is the Python of the tests, and the service listens on a
free port. photo.jpg, export.json and what project 3 has learnt are made here.
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
from tests.support.annotated_export import Export, cat_on_dog, disk, photo_of

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [block for page in PAGES for block in blocks_of(page) if block.language == "sh"]
# By how a command begins: why it is not run here.
NOT_RUN = {
    "USE_DEFAULT_BANNED_SUBNETS=false label-studio": "Label Studio is installed for make e2e alone",
    ".venv/bin/python -m backend evaluate --project": "asks a Label Studio for its annotations",
    ".venv/bin/python -m backend prelabel": "asks a Label Studio for its tasks",
    ".venv/bin/python -m pip install": "installs Ray into the environment of the tests",
    ".venv/bin/python -m backend tune --project": "asks a Label Studio for its annotations",
    ".venv/bin/python -m backend demo": "makes a project in a Label Studio: tests/e2e/test_demo.py",
    ".venv/bin/python -m gunicorn": "serves for ever: commands/test_gunicorn_config.py",
    ".venv/bin/pre-commit install": "writes into .git/hooks of whoever runs the tests",
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
    executable(folder / ".venv" / "bin" / "python", shlex.quote(sys.executable))
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
    event = (ROOT / "docs" / "requests" / "annotation_created.json").read_bytes()
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


def test_what_is_not_run_is_still_in_a_page():
    commands = [command for block in BLOCKS for command in block.commands()]
    for start in NOT_RUN:
        assert any(command.startswith(start) for command in commands), start


def test_every_make_target_in_the_text_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?m)^([a-z][\w-]*):", makefile))
    for page in PAGES:
        named = re.findall(
            r"`make (?:[A-Z_]+=\S+ )*([a-z][\w-]*)", page.read_text(encoding="utf-8")
        )
        assert set(named) <= targets, page.name

"""A fresh clone in an empty home, as README says, to the first mask that a correction changed.

What git holds is cloned, so that a file which is not committed is missed. Instead of an
installation, which `.ci/run` makes, the clone has the Python of the tests; instead of Label Studio,
the test asks what it would: tests/e2e has the real one.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from backend.masks.brush_rle import encode_mask
from backend.masks.regions import decode_region
from tests.docs.pages import ROOT
from tests.support.request_bodies import click
from tests.support.running_service import RunningService, free_port
from tests.support.waiting import wait_until

PROJECT = {"id": 9, "created_at": "2026-11-22T16:47:00Z"}
KEY = "9.1795366020"


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("a clone needs git, and a checkout of it")
    clone = tmp_path_factory.mktemp("fresh") / "firstpass"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    program = clone / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    (clone / ".venv" / "runtime.stamp").touch()  # make: it is installed
    return clone


@pytest.fixture(scope="module")
def served(clone, tmp_path_factory) -> Iterator[RunningService]:
    """`make serve` of the clone, with a home that is empty and nothing else of ours."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    log = home.parent / "make-serve.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["make", "serve"],
            cwd=clone,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    service = RunningService(f"http://127.0.0.1:{port}", process, log)
    try:
        service.wait_until_ready(timeout_s=600)
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def ask(service: RunningService, path: str, **body: Any) -> Any:
    answer = requests.post(service.url + path, json=body, timeout=300)
    assert answer.ok, answer.text
    return answer.json()


def test_from_a_clone_to_a_corrected_mask(clone, served):
    photo = (clone / "backend/sample_photos/cat.jpg").read_bytes()
    task = {
        "id": 1,
        "data": {"image": f"data:image/jpeg;base64,{base64.b64encode(photo).decode()}"},
    }
    config = (clone / "examples/everyday.xml").read_text()
    params = json.loads((clone / "examples/everyday.json").read_text())
    setup = {"project": KEY, "schema": config, "extra_params": params}
    first_version = ask(served, "/setup", **setup)["model_version"]
    asked = {"project": KEY, "label_config": config, "tasks": [task]}

    wait_until(lambda: served.metric("firstpass_words_waiting") == 0, timeout_s=300)
    (first,) = ask(served, "/predict", **asked)["results"]
    assert first["model_version"] == first_version
    (animal,) = first["result"]
    assert animal["value"]["brushlabels"] == ["Animal"]

    context = {"result": [click(50, 50, "Animal", from_name="point")]}
    (clicked,) = ask(served, "/predict", **asked, params={"context": context})["results"]
    assert [one["value"]["brushlabels"] for one in clicked["result"]] == [["Animal"]]

    cushions = ~decode_region(animal)  # what is behind the cat, which no word found
    drawn = {**animal, "id": "drawn", "origin": "manual"}
    drawn["value"] = {
        **animal["value"], "rle": encode_mask(cushions), "brushlabels": ["Furniture"]
    }  # fmt: skip
    annotation = {"id": 5, "task": 1, "result": [animal, drawn]}
    annotation["updated_at"] = "2026-11-22T17:00:00Z"
    project = {**PROJECT, "label_config": config}
    event = {"project": project, "task": task, "annotation": annotation}
    ask(served, "/webhook", action="ANNOTATION_CREATED", **event)
    ask(served, "/webhook", action="START_TRAINING", project=project)

    def learned() -> bool:
        version: str = ask(served, "/setup", **setup)["model_version"]
        return version.startswith("mem1-")

    wait_until(learned, timeout_s=300)
    (second,) = ask(served, "/predict", **asked)["results"]
    assert second["model_version"].startswith("mem1-")
    found = {one["value"]["brushlabels"][0]: decode_region(one) for one in second["result"]}
    assert iou(found["Furniture"], cushions) > 0.25  # it was 0; one annotation makes it 0.43


def iou(a: Any, b: Any) -> float:
    return float((a & b).sum() / (a | b).sum())

"""The commands, as a person runs them."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]


def test_predict_draws_a_picture_and_writes_masks(run, photo_file, photo, tmp_path):
    picture, masks = tmp_path / "overlay.png", tmp_path / "masks"
    code, said, _ = run(
        "predict", str(photo_file), "--labels", "cat, tree,sky", "--out", str(picture),
        "--masks", str(masks), "--method", "clip", "--refiner", "none", "--min-score", "0",
    )  # fmt: skip
    assert code == 0
    assert f"{photo_file}: 64 x 48 pixels" in said
    with Image.open(picture) as sheet:
        assert sheet.width > photo.shape[1]
    for mask in masks.glob("*.png"):
        assert mask.stem in ("cat", "tree", "sky")
        with Image.open(mask) as image:
            assert np.asarray(image).shape == photo.shape[:2]


@pytest.mark.parametrize(
    ("named", "labels", "environment", "said"),
    [
        ("gone.png", "cat", {}, "gone.png cannot be read: No such file"),
        (str(ROOT / "Makefile"), "cat", {}, "Makefile"),
        (None, " , ", {}, "--labels needs at least one name"),
        (None, "cat", {"METHOD": "magic"}, "Unknown method 'magic'. Known: "),
        (None, "cat", {"CLIP_PRETRAINED": "nowhere.safetensors"}, "nowhere.safetensors"),
        (None, "cat", {"PORT": "x"}, "PORT: 'x' cannot be used"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run, photo_file, named, labels, environment, said):
    code, _, error = run("predict", named or str(photo_file), "--labels", labels, **environment)
    assert code == 1
    assert error.startswith("firstpass: ")
    assert said in error


def test_serve_prints_one_block_and_stops_cleanly(start, tmp_path):
    service = start()
    service.wait_until_ready()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(120) == 0
    block = service.log.read_text()
    for words in ("Firstpass is ready", "model", "tiny_clip", "cpu, float32", "embedded"):
        assert words in block
    assert f"paste {service.url} in Label Studio" in block
    assert "Traceback" not in block
    assert not list((tmp_path / "data").rglob("*.sock"))  # the embedded store is gone too


def test_serve_stops_when_its_model_cannot_be_loaded(start):
    service = start(CLIP_PRETRAINED="nowhere.safetensors")
    assert service.process.wait(180) != 0
    said = service.log.read_text()
    (sentence,) = (line for line in said.splitlines() if "nowhere.safetensors" in line)
    assert "ERROR   The model cannot be loaded: " in sentence
    assert "Traceback" not in said


def test_serve_says_when_its_port_is_taken(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        service = start(PORT=str(port))
        assert service.process.wait(180) == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in service.log.read_text()
    assert f"PORT={port + 1}" in service.log.read_text()


def test_serve_names_a_setting_that_cannot_be_used(start):
    service = start(THREADS="many")
    assert service.process.wait(180) == 1
    assert service.log.read_text().startswith("firstpass: THREADS: 'many' cannot be used")


def test_doctor_says_what_it_found(run):
    code, said, _ = run("doctor", LABEL_STUDIO_URL="http://127.0.0.1:9")
    assert code == 1
    assert "model: tiny_clip" in said
    assert "store: embedded" in said
    assert "FAIL  Label Studio" in said


def test_python_m_backend_lists_the_commands_without_loading_a_model():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "backend", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0
    for command in ("serve", "predict", "doctor"):
        assert command in done.stdout
    assert " torch" not in done.stderr  # seconds of import

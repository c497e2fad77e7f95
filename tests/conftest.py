"""Real parts for all tests: a tiny CLIP of random weights, a store, the service on a socket."""

import base64
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:  # torch takes seconds to import, and most tests need none
    from flask.testing import FlaskClient

    from backend.http.app import Parts
    from backend.prediction.annotator import Annotator
    from backend.settings import Settings
    from backend.store.store import Store
    from model import CheckpointConfig, Segmenter

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "tests" / "fixtures"
TINY_CONFIG = FIXTURES / "tiny_clip.json"
RECORDED = FIXTURES / "label_studio_1.23"

# No test may fail because the machine is busy.
settings.register_profile("firstpass", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("firstpass")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> "CheckpointConfig":
    """An open_clip checkpoint of random weights: for plumbing, its masks mean nothing."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    from model import CheckpointConfig

    weights = tmp_path_factory.mktemp("tiny") / "tiny.safetensors"
    config = json.loads(TINY_CONFIG.read_text())["model_cfg"]
    torch.manual_seed(0)
    clip = open_clip.CLIP(**config)
    save_file({name: tensor.clone() for name, tensor in clip.state_dict().items()}, weights)
    return CheckpointConfig(str(TINY_CONFIG), str(weights), device="cpu", precision="float32")


@pytest.fixture(scope="session")
def tiny_segmenter(tiny_checkpoint) -> "Segmenter":
    from model import build_segmenter

    return build_segmenter(tiny_checkpoint)


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """RGB uint8 (48, 64, 3): a bright disk on a dark ground, the size of the recorded tasks."""
    rows, columns = np.mgrid[:48, :64]
    image = np.full((48, 64, 3), (40, 60, 90), dtype=np.uint8)
    image[(rows - 20) ** 2 + (columns - 30) ** 2 < 14**2] = (240, 180, 60)
    return image


def recorded(name: str) -> dict[str, Any]:
    """A request that Label Studio 1.23.2 really sent: method, path, headers, body, raw_body."""
    return json.loads((RECORDED / f"{name}.json").read_text())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Service:
    """`python -m backend serve` as a process of its own, asked over its socket."""

    url: str
    process: subprocess.Popen
    log: Path

    def ask(self, method: str, path: str, **what: Any) -> requests.Response:
        return requests.request(method, self.url + path, timeout=60, **what)

    def replay(self, name: str) -> requests.Response:
        """Send a recorded request, byte for byte."""
        request = recorded(name)
        headers = {key: value for key, value in request["headers"] if key != "Host"}
        return self.ask(
            request["method"], request["path"], headers=headers, data=request["raw_body"].encode()
        )

    def wait_until_ready(self, timeout_s: float = 300) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.ask("GET", "/ready").status_code == 200:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the service did not come up:\n{self.log.read_text()}")


def start_service(folder: Path, checkpoint: "CheckpointConfig", **environment: str) -> Service:
    port = free_port()
    log = folder / "service.log"
    settings = {
        "PORT": str(port),
        "DATA_DIR": str(folder / "data"),
        "CLIP_MODEL": checkpoint.model,
        "CLIP_PRETRAINED": checkpoint.pretrained,
        "DEVICE": "cpu",
        **environment,
    }
    ours = {
        name: os.environ[name] for name in ("PATH", "HOME", "OMP_NUM_THREADS") if name in os.environ
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend", "serve"],
            cwd=ROOT,
            env={**ours, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Service(f"http://127.0.0.1:{port}", process, log)


@pytest.fixture
def start(tiny_checkpoint, tmp_path) -> Iterator[Callable[..., Service]]:
    """Start the service with these variables; it is stopped at the end of the test."""
    started = []

    def start(**environment: str) -> Service:
        started.append(start_service(tmp_path, tiny_checkpoint, **environment))
        return started[-1]

    yield start
    for service in started:
        service.process.terminate()
        service.process.wait(120)


@pytest.fixture(scope="session")
def make_service(tiny_checkpoint, tmp_path_factory) -> Iterator[Callable[..., Service]]:
    """Start the service with these variables, ready, until the end of all tests."""
    started = []

    def make(**environment: str) -> Service:
        folder = tmp_path_factory.mktemp("service")
        started.append(start_service(folder, tiny_checkpoint, **environment))
        started[-1].wait_until_ready()
        return started[-1]

    yield make
    for service in started:
        service.process.terminate()
        assert service.process.wait(120) == 0


@pytest.fixture(scope="session")
def service(make_service) -> Service:
    """The whole service with the tiny model, one for all tests."""
    return make_service()


@pytest.fixture(scope="session")
def png_uri() -> Callable[[np.ndarray], str]:
    """An RGB uint8 image (H, W, 3) as a data: URI, so that a task needs no server for it."""
    from PIL import Image

    def encode(image: np.ndarray) -> str:
        data = io.BytesIO()
        Image.fromarray(image).save(data, "PNG")
        return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()

    return encode


@pytest.fixture(scope="session")
def photo_uri(photo, png_uri) -> str:
    return png_uri(photo)


@pytest.fixture(scope="session")
def settings(tiny_checkpoint, tmp_path_factory) -> "Settings":
    from backend.settings import Settings

    return Settings.from_env(
        {
            "CLIP_MODEL": tiny_checkpoint.model,
            "CLIP_PRETRAINED": tiny_checkpoint.pretrained,
            "DEVICE": "cpu",
            "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        }
    )


@pytest.fixture(scope="session")
def store(settings) -> Iterator["Store"]:
    from backend.store.servers import ServerConfig
    from backend.store.store import StoreConfig, open_store

    # A busy machine is not a lost store.
    server = ServerConfig(connect_timeout_s=30, read_timeout_s=30)
    opened = open_store(None, settings.data_dir, StoreConfig(server=server))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def annotator(settings, store) -> "Annotator":
    """The real one, put together as the service does, with the tiny model."""
    from backend.label_studio.client import LabelStudio
    from backend.metrics import Metrics
    from backend.wsgi import build_annotator

    return build_annotator(settings, store, LabelStudio(settings.label_studio_url), Metrics())


@pytest.fixture
def parts(settings, store, annotator) -> "Parts":
    from backend.http.app import Parts
    from backend.label_studio.client import LabelStudio
    from backend.learning.event_queue import CorrectionQueue

    made = Parts(
        settings=settings,
        annotator=Future(),
        store=store,
        label_studio=LabelStudio(settings.label_studio_url),
        corrections=CorrectionQueue(store, settings.data_dir),
        metrics=annotator.metrics,
    )
    made.annotator.set_result(annotator)
    return made


@pytest.fixture
def client(parts) -> "FlaskClient":
    from backend.http.app import create_app

    return create_app(parts).test_client()

"""Real parts for all tests: a tiny CLIP of random weights, a store, the service on a socket."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest

from tests.support.recorded import FIXTURES
from tests.support.running_service import RunningService, start_service

if TYPE_CHECKING:  # torch takes seconds to import, and most tests need none
    from flask.testing import FlaskClient

    from backend.prediction.annotator import Annotator
    from backend.service import Service
    from backend.settings import Settings
    from backend.store.store import Store
    from model import CheckpointConfig, Segmenter

TINY_CONFIG = FIXTURES / "tiny_clip.json"

# No test may fail because the machine is busy.
hypothesis.settings.register_profile(
    "firstpass", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("firstpass")


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


@pytest.fixture
def start(tiny_checkpoint, tmp_path) -> Iterator[Callable[..., RunningService]]:
    """Start the service with these variables; it is stopped at the end of the test."""
    started = []

    def start(*, by_gunicorn: bool = False, **environment: str) -> RunningService:
        started.append(start_service(tmp_path, tiny_checkpoint, by_gunicorn, **environment))
        return started[-1]

    yield start
    for running in started:
        running.process.terminate()
        running.process.wait(120)


@pytest.fixture(scope="session")
def make_running(tiny_checkpoint, tmp_path_factory) -> Iterator[Callable[..., RunningService]]:
    """Start the service with these variables, ready, until the end of all tests."""
    started = []

    def make(**environment: str) -> RunningService:
        folder = tmp_path_factory.mktemp("service")
        started.append(start_service(folder, tiny_checkpoint, **environment))
        started[-1].wait_until_ready()
        return started[-1]

    yield make
    for running in started:
        running.process.terminate()
        assert running.process.wait(120) == 0


@pytest.fixture(scope="session")
def running(make_running) -> RunningService:
    """The whole service with the tiny model, one process for all tests."""
    return make_running()


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
    from tests.support.stores import open_patient_store

    opened = open_patient_store(settings.data_dir)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def make_service(settings, store, tiny_segmenter) -> Callable[..., "Service"]:
    """A service of this process, its tiny model loaded; `changes` are of the settings."""
    from dataclasses import replace

    from backend.prediction.text_cache import CachedTextEncoder
    from backend.service import Service

    encode_text = CachedTextEncoder(tiny_segmenter.encode_text, store)

    def make(*, is_loaded: bool = True, **changes: object) -> "Service":
        service = Service(settings.model_copy(update=changes))
        service.store = store
        service.segmenter = replace(tiny_segmenter, encode_text=encode_text)
        if is_loaded:
            service.load_model()
        return service

    return make


@pytest.fixture
def service(make_service) -> "Service":
    return make_service()


@pytest.fixture(scope="session")
def annotator(make_service) -> "Annotator":
    """The real one, put together as the service does, with the tiny model."""
    return make_service().annotator


@pytest.fixture(scope="session")
def make_client(make_service) -> Callable[..., "FlaskClient"]:
    """A client of the routes of a service; `changes` are of its settings."""
    from backend.http.app import create_app

    return lambda **changes: create_app(make_service(**changes)).test_client()


@pytest.fixture
def client(service) -> "FlaskClient":
    from backend.http.app import create_app

    return create_app(service).test_client()

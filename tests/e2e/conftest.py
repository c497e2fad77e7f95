"""A real Label Studio, started once, and the service with the tiny model beside it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.support.doctor import DoctorRun, run_doctor
from tests.support.label_studio_server import TOKEN, LabelStudioServer, running_label_studio
from tests.support.running_service import RunningService

# Every pixel gets a label, whatever the weights: what is tested is the way, not the masks.
EVERY_PIXEL = {
    "auto_negatives": False,
    "min_region_px": 1,
    "prob_threshold": 0,
    "area_threshold": 0,
}


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory) -> Iterator[LabelStudioServer]:
    with running_label_studio(tmp_path_factory.mktemp("label_studio") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def personal_token(label_studio) -> str:
    """The one that its user may have at a time."""
    token: str = label_studio.ask("POST", "/api/token/")["token"]
    return token


@pytest.fixture
def doctor(label_studio, tiny_checkpoint) -> Callable[..., DoctorRun]:
    """Run the doctor beside a service, with its port and data folder and these variables."""

    def run(service: RunningService, *options: str, **environment: str) -> DoctorRun:
        settings = {
            "PORT": str(service.port),
            "DATA_DIR": str(service.log.parent / "data"),
            "CLIP_MODEL": tiny_checkpoint.model,
            "CLIP_PRETRAINED": tiny_checkpoint.pretrained,
            "DEVICE": "cpu",
            "LABEL_STUDIO_URL": label_studio.url,
        }
        return run_doctor(*options, **(settings | environment))

    return run


@pytest.fixture(scope="module")
def cat(tmp_path_factory) -> Path:
    from skimage.data import chelsea

    path = tmp_path_factory.mktemp("photos") / "cat.png"
    Image.fromarray(chelsea()).save(path)
    return path


@pytest.fixture(scope="module")
def backend(label_studio, make_running) -> RunningService:
    return make_running(LABEL_STUDIO_URL=label_studio.url, LABEL_STUDIO_API_KEY=TOKEN)


@pytest.fixture
def connected(label_studio, backend) -> Callable[[str], int]:
    """Make a project with this labeling config, connected to the backend."""

    def make(label_config: str) -> int:
        made: int = label_studio.new_project("connected project", label_config)
        row = label_studio.connect(made, backend.url, extra_params=EVERY_PIXEL, is_interactive=True)
        assert row["state"] == "CO", row
        return made

    return make

"""A command to run, an installation for the doctor's checks, a Label Studio like 1.23.2."""

from pathlib import Path

import pytest
from PIL import Image

from backend.commands.cli import main
from backend.commands.installation import Installation
from backend.label_studio.client import LabelStudio
from tests.support.fake_label_studio import PERSONAL, FakeLabelStudio, connect_backend


@pytest.fixture
def run(tiny_checkpoint, tmp_path, monkeypatch, capsys):
    """Run a command with the tiny model and these variables; its exit code, stdout and stderr."""
    for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY", "REDIS_URL", "METHOD", "REFINER"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
        settings = {
            "CLIP_MODEL": tiny_checkpoint.model,
            "CLIP_PRETRAINED": tiny_checkpoint.pretrained,
            "DEVICE": "cpu",
            "DATA_DIR": str(tmp_path / "data"),
            **environment,
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        code = main(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def photo_file(photo, tmp_path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    return path


@pytest.fixture
def studio():
    """Its first project has a model at port 9090, connected, with a webhook."""
    server = FakeLabelStudio()
    connect_backend(server, "http://127.0.0.1:9090")
    yield server
    server.close()


@pytest.fixture
def installation(studio, tmp_path) -> Installation:
    return Installation(
        describe_model=lambda: "starter-1a2b/firstpass on cpu",
        describe_store=lambda: "embedded",
        host="127.0.0.1",
        port=9090,
        data_dir=tmp_path / "data",
        local_root=None,
        label_studio=LabelStudio(studio.url, PERSONAL),
    )

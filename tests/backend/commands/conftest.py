"""A command to run, and a photo for it."""

from pathlib import Path

import pytest
from PIL import Image

from backend.commands.cli import main


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
            "PRECISION": "float32",  # the same on every CPU
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

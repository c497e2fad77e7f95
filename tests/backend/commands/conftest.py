"""A command to run, a photo for it, and a service with an annotated project beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from backend.commands.cli import main
from backend.service import Service
from tests.support.annotated_export import Export
from tests.support.annotated_project import KEY, AnnotatedProject
from tests.support.annotations import EVERY_PIXEL
from tests.support.fake_label_studio import LEGACY
from tests.support.stores import open_patient_store


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


@pytest.fixture
def annotated(studio, tmp_path) -> AnnotatedProject:
    return AnnotatedProject(studio, Export(tmp_path))


@pytest.fixture
def learning_service(settings, tiny_segmenter, tmp_path, annotated) -> Iterator[Service]:
    """A running Firstpass that knows the project; the tests are its worker's thread."""
    changes = {
        "data_dir": tmp_path / "data",
        "training_wait_s": 0.0,
        "local_files_root": annotated.export.images,
    }
    service = Service(settings.model_copy(update=changes))
    service.store, service.segmenter = open_patient_store(tmp_path / "data"), tiny_segmenter
    service.projects.save(KEY, EVERY_PIXEL)
    yield service
    service.store.close()


@pytest.fixture
def learn(run, studio):
    """Run the command beside it: exit code, stdout, stderr."""

    def learn(name="12", **environment: str) -> tuple[int, str, str]:
        variables = {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": LEGACY}
        return run("memory", "learn", name, **(variables | environment))

    return learn

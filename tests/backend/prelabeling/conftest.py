"""Project 12 with photos as data URIs, and the parts of a run on it with the tiny model."""

from dataclasses import replace

import numpy as np
import pytest

from backend.label_studio.client import LabelStudio
from backend.label_studio.project_settings import ProjectSettings
from backend.prelabeling.engines import Job, ThreadEngine
from backend.prelabeling.importer import Importer
from backend.prelabeling.open_tasks import OpenTasks
from backend.prelabeling.patience import Patience
from backend.prelabeling.prelabeler import Prelabeler, Target
from tests.support.fake_label_studio import LEGACY, FakeLabelStudio
from tests.support.fake_project import KEY, NUMBER, FakeProject
from tests.support.label_configs import CAT_DOG_CONFIG

SETTINGS = ProjectSettings(auto_negatives=False, prob_threshold=0.0, area_threshold=0.0)


@pytest.fixture
def n_tasks() -> int:
    """Of the project; a file of tests may have fewer."""
    return 30


@pytest.fixture
def images(png_uri, n_tasks) -> list[str]:
    """Photos, no two alike."""
    return [png_uri(np.full((32, 40, 3), 8 * shade, np.uint8)) for shade in range(n_tasks)]


@pytest.fixture
def server():
    server = FakeLabelStudio()
    yield server
    server.close()


@pytest.fixture
def project(server, images) -> FakeProject:
    return FakeProject(server, images)


class Counter:
    """A Progress that remembers."""

    def __init__(self) -> None:
        self.expected, self.done = 0, 0

    def expect(self, n_tasks: int) -> None:
        self.expected = n_tasks

    def advance(self, n_tasks: int, n_failed: int) -> None:
        self.done += n_tasks


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def tasks(server, said) -> OpenTasks:
    patience = Patience(said.append, limit_s=20, first_pause_s=0.01, longest_pause_s=0.05)
    return OpenTasks(LabelStudio(server.url, LEGACY), patience, NUMBER)


@pytest.fixture
def version(annotator) -> str:
    return annotator.version(SETTINGS, KEY, CAT_DOG_CONFIG)


@pytest.fixture
def prelabeler(project, tasks, annotator, version):
    """Make a run; `changes` are of its parts."""

    def make(**changes) -> Prelabeler:
        target = Target(version, lambda task: Job(task, KEY, CAT_DOG_CONFIG, SETTINGS, None))
        parts = {
            "tasks": tasks,
            "importer": Importer(tasks.studio, tasks.patience, NUMBER),
            "engine": ThreadEngine(replace(annotator, parallel_tasks=1), 3),
            "current_target": lambda: target,
            "is_lock_lost": lambda: False,
            "progress": Counter(),
            **changes,
        }
        return Prelabeler(**parts)

    return make

"""`prelabel --engine ray` on a cluster of several processes, of which some are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.fake_label_studio import LEGACY, FakeLabelStudio, Reply
from tests.support.fake_project import FakeProject
from tests.support.image_files import PNG_REPLY
from tests.support.running_service import ROOT
from tests.support.valkey_server import valkey_server
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]

N_TASKS = 80
IMAGE_S = 0.5  # that the server takes for an image, so that there is a middle of the run


@pytest.fixture
def project():
    """Images take a moment each, so that the run has a middle."""
    server = FakeLabelStudio()

    def image(_asked) -> Reply:
        time.sleep(IMAGE_S)
        return PNG_REPLY

    for n in range(N_TASKS):
        server.pages[f"/data/upload/{n}.png"] = image
    yield FakeProject(server, [f"/data/upload/{n}.png" for n in range(N_TASKS)])
    server.close()


@pytest.fixture
def redis_url(tmp_path):
    with valkey_server(tmp_path / "valkey") as server:
        yield server.url


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster
    cluster.shutdown()


@pytest.fixture
def start(cluster, project, redis_url, tiny_checkpoint, tmp_path):
    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "backend", "prelabel", "--project", "12", "--engine", "ray"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "PYTHONPATH": str(ROOT),
                "RAY_ADDRESS": cluster.address,
                "REDIS_URL": redis_url,
                "DATA_DIR": str(tmp_path / "data"),
                "DEVICE": "cpu",
                "PRECISION": "float32",  # as the service of the tests
                "CLIP_MODEL": tiny_checkpoint.model,
                "CLIP_PRETRAINED": tiny_checkpoint.pretrained,
                "LABEL_STUDIO_URL": project.server.url,
                "LABEL_STUDIO_API_KEY": LEGACY,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def actor_pids() -> list[int]:
    """Processes of this machine that hold the model for Ray Data."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if command.startswith(b"ray::") and b"PredictingActor" in command:
                found.append(int(folder.name))
    return found


def test_nothing_is_lost_or_done_twice_when_an_actor_and_a_node_are_killed(cluster, project, start):
    nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
    run = start()
    wait_until(lambda: project.predictions or run.poll() is not None, 300)
    assert actor_pids(), run.communicate()[1]
    os.kill(actor_pids()[0], signal.SIGKILL)
    n_before = len(project.predictions)
    wait_until(lambda: len(project.predictions) > n_before or run.poll() is not None, 300)
    cluster.remove_node(nodes[1], allow_graceful=False)
    cluster.add_node(num_cpus=2)
    said, error = run.communicate(timeout=600)
    assert run.returncode == 0, error
    assert f"project 12: {N_TASKS} predictions made" in said
    assert [len(names) for names in project.all_versions().values()] == [1] * N_TASKS


def test_a_killed_driver_is_gone_on_with(cluster, project, start):
    cluster.add_node(num_cpus=2)
    first = start()
    wait_until(lambda: project.predictions or first.poll() is not None, 300)
    first.kill()
    first.communicate()
    n_before = len(project.predictions)
    assert 0 < n_before < N_TASKS
    second = start()
    said, error = second.communicate(timeout=600)
    assert second.returncode == 0, error
    assert f"project 12: {N_TASKS - n_before} predictions made" in said
    assert [len(names) for names in project.all_versions().values()] == [1] * N_TASKS

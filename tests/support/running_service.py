"""`python -m backend serve` as a process of its own, asked over its socket."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from tests.support.recorded import recorded

if TYPE_CHECKING:  # torch takes seconds to import, and most tests need none
    from model import CheckpointConfig

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class RunningService:
    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def ask(self, method: str, path: str, **what: Any) -> requests.Response:
        return requests.request(method, self.url + path, timeout=60, **what)

    def replay(self, name: str) -> requests.Response:
        """Send a recorded request, byte for byte."""
        request = recorded(name)
        headers = {key: value for key, value in request["headers"] if key != "Host"}
        return self.ask(
            request["method"], request["path"], headers=headers, data=request["raw_body"].encode()
        )

    def send(self, raw: bytes, timeout_s: float = 60) -> bytes:
        """All that comes back for these bytes, until the service closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout_s) as client:
            client.sendall(raw)
            return b"".join(iter(lambda: client.recv(65536), b""))

    def metric(self, sample: str) -> float:
        """The value of a sample of /metrics, such as `firstpass_queue_size`; 0 without it."""
        for line in self.ask("GET", "/metrics").text.splitlines():
            if line.startswith(f"{sample} "):
                return float(line.split()[-1])
        return 0.0

    def wait_until_ready(self, timeout_s: float = 300, **what: Any) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.ask("GET", "/ready", **what).status_code == 200:
                    return
            except (requests.ConnectionError, requests.Timeout):  # or it is busy with its imports
                pass
            time.sleep(0.1)
        raise AssertionError(f"the service did not come up:\n{self.log.read_text()}")


def start_service(
    folder: Path, checkpoint: "CheckpointConfig", by_gunicorn: bool = False, /, **environment: str
) -> RunningService:
    """`by_gunicorn`: as an operator starts it with a command line of gunicorn."""
    port = free_port()
    gunicorn = [
        "gunicorn",
        "--threads",
        "8",
        "--bind",
        f"127.0.0.1:{port}",
        "backend.wsgi:create()",
    ]
    log = folder / "service.log"
    settings = {
        "PORT": str(port),
        "DATA_DIR": str(folder / "data"),
        "CLIP_MODEL": checkpoint.model,
        "CLIP_PRETRAINED": checkpoint.pretrained,
        "DEVICE": "cpu",
        "PRECISION": "float32",  # the same on every CPU
        **environment,
    }
    ours = {
        name: os.environ[name] for name in ("PATH", "HOME", "OMP_NUM_THREADS") if name in os.environ
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *(gunicorn if by_gunicorn else ["backend", "serve"])],
            cwd=ROOT,
            env={**ours, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return RunningService(f"http://127.0.0.1:{port}", process, log)

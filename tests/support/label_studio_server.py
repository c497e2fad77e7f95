"""A real Label Studio as a process of its own, and a client of its API."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.running_service import free_port

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv-ls"
PROGRAM = VENV / "bin/label-studio"
USER, PASSWORD = "admin@example.com", "secretpass123"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
ACCOUNT = {
    "LABEL_STUDIO_USERNAME": USER,
    "LABEL_STUDIO_PASSWORD": PASSWORD,
    "LABEL_STUDIO_USER_TOKEN": TOKEN,
    "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
}
QUIET = {
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
}
# Without it a backend on this machine is refused; those who test the refusal say otherwise.
UNGUARDED = {"USE_DEFAULT_BANNED_SUBNETS": "false"}


@dataclass
class LabelStudioServer:
    url: str
    http: requests.Session = field(default_factory=requests.Session)

    def ask(self, method: str, path: str, **what: Any) -> Any:
        response = self.http.request(method, self.url + path, timeout=120, **what)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text[:2000]}"
        return response.json() if response.content else None

    def new_project(self, title: str, label_config: str) -> int:
        body = {"title": title, "label_config": label_config}
        return self.ask("POST", "/api/projects", json=body)["id"]

    def connect(self, project: int, backend_url: str, **more: Any) -> dict[str, Any]:
        body = {"project": project, "url": backend_url, "title": "Firstpass", **more}
        return self.ask("POST", "/api/ml/", json=body)

    def model_version(self, project: int) -> str:
        """What Label Studio shows; asking for it has it set up the backend anew."""
        (row,) = self.ask("GET", f"/api/ml?project={project}")
        version: str = row["model_version"]
        return version

    def edit_config(self, project: int, label_config: str) -> None:
        self.ask("PATCH", f"/api/projects/{project}/", json={"label_config": label_config})

    def upload(self, project: int, *photos: Path) -> list[int]:
        """Import files; the ids of the new tasks, in that order."""
        for photo in photos:
            with photo.open("rb") as data:
                path = f"/api/projects/{project}/import?commit_to_project=true"
                self.ask("POST", path, files={"file": (photo.name, data)})
        return sorted(task["id"] for task in self.tasks(project))

    def import_task(self, project: int, **data: Any) -> int:
        """Import a task of these data; its id."""
        self.ask("POST", f"/api/projects/{project}/import", json=[{"data": data}])
        return max(task["id"] for task in self.tasks(project))

    def tasks(self, project: int) -> list[dict[str, Any]]:
        return self.ask("GET", f"/api/tasks?project={project}&fields=all")["tasks"]

    def retrieve_predictions(self, project: int) -> None:
        path = f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}"
        self.ask("POST", path, json={"selectedItems": {"all": True, "excluded": []}})

    def predictions(self, project: int) -> list[dict[str, Any]]:
        return self.ask("GET", f"/api/predictions/?project={project}")


@contextmanager
def running_label_studio(folder: Path, **environment: str) -> Iterator[LabelStudioServer]:
    """Label Studio with these variables and a copy of a migrated database in `folder`."""
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is not there: run make e2e, which installs it")
    shutil.copytree(migrated_data(folder.with_name(f"{folder.name}-new")), folder)
    with serving(folder, **environment) as server:
        yield server


def migrated_data(scratch: Path) -> Path:
    """A data folder of this release with its account; made once, which takes most of a minute.

    It lies in the environment of Label Studio, and goes with it.
    """
    (package,) = VENV.glob("lib/python*/site-packages/label_studio-*.dist-info")
    account = hashlib.sha256(repr(ACCOUNT).encode()).hexdigest()[:8]
    kept = VENV / f"migrated-{package.name.removesuffix('.dist-info')}-{account}"
    if not kept.exists():
        scratch.mkdir()
        with serving(scratch):
            pass
        partial = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.copytree(scratch, partial)
        try:
            partial.rename(kept)
        except OSError:  # another run was faster
            shutil.rmtree(partial)
    return kept


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[LabelStudioServer]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    ours = {"LABEL_STUDIO_BASE_DATA_DIR": str(folder), "DJANGO_DB": "sqlite"}
    log = folder / "label-studio.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [PROGRAM, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "LABEL_STUDIO_HOST": url,
                **ours, **ACCOUNT, **QUIET, **(environment or UNGUARDED),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    server = LabelStudioServer(url)
    server.http.headers["Authorization"] = f"Token {TOKEN}"
    try:
        wait_until_up(url, process, log)
        yield server
    finally:
        server.http.close()
        process.terminate()
        process.wait(30)


def wait_until_up(url: str, process: subprocess.Popen, log: Path, timeout_s: float = 600) -> None:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            if requests.get(f"{url}/health", timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.5)
    raise AssertionError(f"Label Studio did not come up:\n{log.read_text()[-4000:]}")

"""A real Label Studio, started once, and a client of its API."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from tests.support.running_service import RunningService, free_port

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".venv-ls/bin/label-studio"
USER, PASSWORD = "admin@example.com", "secretpass123"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
# Every pixel gets a label, whatever the weights: what is tested is the way, not the masks.
EVERY_PIXEL = {
    "auto_negatives": False,
    "min_region_px": 1,
    "prob_threshold": 0,
    "area_threshold": 0,
}


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

    def tasks(self, project: int) -> list[dict[str, Any]]:
        return self.ask("GET", f"/api/tasks?project={project}&fields=all")["tasks"]

    def retrieve_predictions(self, project: int) -> None:
        path = f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}"
        self.ask("POST", path, json={"selectedItems": {"all": True, "excluded": []}})

    def predictions(self, project: int) -> list[dict[str, Any]]:
        return self.ask("GET", f"/api/predictions/?project={project}")


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory) -> Iterator[LabelStudioServer]:
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is not there: run make e2e, which installs it")
    folder = tmp_path_factory.mktemp("label_studio")
    port = free_port()
    environment = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "DJANGO_DB": "sqlite",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LABEL_STUDIO_USERNAME": USER,
        "LABEL_STUDIO_PASSWORD": PASSWORD,
        "LABEL_STUDIO_USER_TOKEN": TOKEN,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "USE_DEFAULT_BANNED_SUBNETS": "false",  # else a backend on this machine is refused
        "LABEL_STUDIO_HOST": f"http://127.0.0.1:{port}",
    }
    with (folder / "label-studio.log").open("w") as log:
        process = subprocess.Popen(
            [PROGRAM, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = LabelStudioServer(f"http://127.0.0.1:{port}")
    server.http.headers["Authorization"] = f"Token {TOKEN}"
    wait_until_up(server.url, process, folder / "label-studio.log")
    yield server
    server.http.close()
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def cat(tmp_path_factory) -> Path:
    from skimage.data import chelsea

    path = tmp_path_factory.mktemp("photos") / "cat.png"
    Image.fromarray(chelsea()).save(path)
    return path


@pytest.fixture(scope="module")
def backend(label_studio, make_running) -> RunningService:
    return make_running(LABEL_STUDIO_URL=label_studio.url, LABEL_STUDIO_API_KEY=TOKEN)


@pytest.fixture
def connected(label_studio, backend) -> Callable[[str], int]:
    """Make a project with this labeling config, connected to the backend."""

    def make(label_config: str) -> int:
        made: int = label_studio.new_project("connected project", label_config)
        row = label_studio.connect(made, backend.url, extra_params=EVERY_PIXEL, is_interactive=True)
        assert row["state"] == "CO", row
        return made

    return make


def wait_until_up(url: str, process: subprocess.Popen, log: Path, timeout_s: float = 600) -> None:
    """The first start migrates its database for most of a minute."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{url}/health", timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(1)
    raise AssertionError(f"Label Studio did not come up:\n{log.read_text()[-4000:]}")

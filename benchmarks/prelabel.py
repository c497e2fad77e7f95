"""Label Studio's Retrieve Predictions beside `prelabel`: `python -m benchmarks.prelabel`.

A real Label Studio (make e2e installs it) and the service with the starter checkpoint; two projects
of the same photos. How long each takes, and how many tasks have a prediction when it is over.
"""

import argparse
import base64
import functools
import io
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image
from skimage import data

from benchmarks.click_latency import start

ROOT = Path(__file__).parents[1]
TOKEN = "0123456789abcdef0123456789abcdef01234567"
CONFIG = """<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">
<Label value="Rocket"/><Label value="Person"/><Label value="Cat"/><Label value="Cup"/>
</BrushLabels></View>"""


def photo_uris(count: int, width: int, height: int) -> list[str]:
    """Crops of four photos, no two alike, as data: URIs."""
    random, found = np.random.default_rng(0), []
    pictures = [data.rocket(), data.astronaut(), data.chelsea(), data.coffee()]
    for n in range(count):
        photo = Image.fromarray(pictures[n % len(pictures)])
        left, top = random.integers(0, (photo.width // 4, photo.height // 4))
        box = (left, top, left + photo.width * 3 // 4, top + photo.height * 3 // 4)
        buffer = io.BytesIO()
        photo.crop(box).resize((width, height)).save(buffer, "JPEG")
        found.append("data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode())
    return found


class LabelStudioServer:
    """A Label Studio with a database of its own in this folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        environment = {
            **os.environ,
            "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
            "DJANGO_DB": "sqlite",
            "COLLECT_ANALYTICS": "false",
            "LATEST_VERSION_CHECK": "false",
            "LABEL_STUDIO_USERNAME": "admin@example.com",
            "LABEL_STUDIO_PASSWORD": "secretpass123",
            "LABEL_STUDIO_USER_TOKEN": TOKEN,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "USE_DEFAULT_BANNED_SUBNETS": "false",
            "LABEL_STUDIO_HOST": self.url,
        }
        program = ROOT / ".venv-ls/bin/label-studio"
        command = [str(program), "start", "--no-browser", "--internal-host", "127.0.0.1"]
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(port)], env=environment, stdout=log, stderr=log
            )

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Token {TOKEN}"}
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=3600)
        answer.raise_for_status()
        return answer.json()

    def new_project(self, uris: list[str], backend_url: str) -> int:
        project: int = self.ask(
            "POST", "/api/projects", {"title": "photos", "label_config": CONFIG}
        )["id"]
        tasks = [{"data": {"image": uri}} for uri in uris]
        self.ask("POST", f"/api/projects/{project}/import", tasks)
        self.ask("POST", "/api/ml/", {"project": project, "url": backend_url, "title": "Firstpass"})
        return project

    def n_predicted(self, project: int) -> int:
        return len({one["task"] for one in self.ask("GET", f"/api/predictions/?project={project}")})


def wait_until_up(url: str) -> None:
    while True:
        try:
            if requests.get(url, timeout=60).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(1)


def retrieve(studio: LabelStudioServer, project: int) -> str:
    """What Label Studio says of it."""
    path = f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}"
    chosen = {"selectedItems": {"all": True, "excluded": []}}
    return str(studio.ask("POST", path, chosen)["detail"])


def prelabel(studio: LabelStudioServer, project: int, folder: str) -> str:
    """The first line that the command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "backend", "prelabel", "--project", str(project)],
        cwd=ROOT,
        env={
            **os.environ,
            "DATA_DIR": folder,
            "LABEL_STUDIO_URL": studio.url,
            "LABEL_STUDIO_API_KEY": TOKEN,
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return re.sub(r"^project \d+: ", "", done.stdout.splitlines()[0])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tasks", type=int, default=200)
    options.add_argument("--width", type=int, default=320)
    options.add_argument("--height", type=int, default=240)
    options.add_argument("--label-studio-port", type=int, default=8093)
    chosen = options.parse_args()
    uris = photo_uris(chosen.tasks, chosen.width, chosen.height)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ls").mkdir()
        studio = LabelStudioServer(Path(folder) / "ls", chosen.label_studio_port)
        process, url = start(
            f"{folder}/data", {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": TOKEN}
        )
        try:
            wait_until_up(f"{url}/ready")
            wait_until_up(f"{studio.url}/health")
            print(f"{chosen.tasks} photos of {chosen.width} x {chosen.height} pixels\n")
            print("| | took | tasks with a prediction | what it says |\n|---|---|---|---|")
            for name, run in (
                ("Retrieve", retrieve),
                ("prelabel", functools.partial(prelabel, folder=f"{folder}/data")),
            ):
                project = studio.new_project(uris, url)
                began_s = time.perf_counter()
                said = run(studio, project)
                took_s = time.perf_counter() - began_s
                done = studio.n_predicted(project)
                print(
                    f"| {name} | {took_s:.0f} s | {done} of {chosen.tasks} | {said} |", flush=True
                )
        finally:
            for one in (process, studio.process):
                one.terminate()
                one.wait()


if __name__ == "__main__":
    main()

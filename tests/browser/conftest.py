"""The page in a real Chromium, against a real server: run by `make browser`, in its own venv."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = os.environ.get("SERVER_PYTHON", str(ROOT / ".venv/bin/python"))
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SHOTS = Path(os.environ.get("SHOTS", ROOT / ".venv-browser/shots"))


TIMEOUT_MS = 90_000  # an image takes seconds on a busy machine


@dataclass(frozen=True)
class Server:
    url: str
    process: "subprocess.Popen[bytes]"


@pytest.fixture(scope="session")
def start_server(tmp_path_factory) -> Iterator[Callable[..., Server]]:
    """Serve with the starter and these variables until the end of all tests."""
    started: list[Server] = []

    def start(**environment: str) -> Server:
        folder = tmp_path_factory.mktemp("server")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {"PORT": str(port), "DATA_DIR": str(folder / "data"), "DEVICE": "cpu"}
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [PYTHON, "-m", "backend", "serve"],
                cwd=ROOT,
                env={**os.environ, **settings, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        started.append(Server(f"http://127.0.0.1:{port}/", process))
        wait_until_ready(started[-1], folder / "log")
        return started[-1]

    yield start
    for server in started:
        server.process.terminate()
        server.process.wait(60)


def wait_until_ready(server: Server, log: Path, timeout_s: float = 600) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with urllib.request.urlopen(server.url + "ready", timeout=5) as answer:
                if json.load(answer)["status"] == "ready":
                    return
        except urllib.error.HTTPError as error:
            if error.code == 401:  # a password is set
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"the server did not come up:\n{log.read_text()}")


@pytest.fixture(scope="session")
def server(start_server) -> Server:
    return start_server()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=TIMEOUT_MS)
    if CHROMIUM is None:
        pytest.fail("there is no Chromium: apt-get install chromium, or set CHROMIUM to one")
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, server) -> Iterator[Callable[..., Any]]:
    """Open the page in a context with these options; errors of its scripts fail the test."""
    contexts: list[Any] = []
    faults: list[str] = []

    def open_page(url: str = server.url, **options: Any) -> Any:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = chromium.new_context(**options)
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: note_foreign(request.url, url, faults))
        page.goto(url)
        page.wait_for_selector("#samples img")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def note_foreign(asked: str, url: str, faults: list[str]) -> None:
    """The page asks nobody but its own server."""
    if not asked.startswith((url, "blob:", "data:")):
        faults.append(f"asked {asked}")


@pytest.fixture
def page(open_page) -> Any:
    return open_page()


def fail_a_task(page: Any, project: str) -> str:
    """Set up a project with one label and have a task of it fail; its model version."""
    config = '<View><Image name="i" value="$image"/><BrushLabels name="t" toName="i">'
    config += '<Label value="Cat"/></BrushLabels></View>'
    asked = {"project": project, "schema": config, "label_config": config}
    setup = page.request.post(page.url + "setup", data=asked)
    tasks = [{"id": 4, "data": {"image": "data:,broken"}}]
    page.request.post(page.url + "predict", data={**asked, "tasks": tasks})
    version: str = setup.json()["model_version"]
    return version


def pixel(picture: Any, x: float, y: float) -> list[int]:
    """[red, green, blue, alpha] of the masks of a picture, at shares of width and height."""
    found: list[int] = picture.locator("canvas").evaluate(
        """(canvas, [x, y]) => [...canvas.getContext("2d").getImageData(
             Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data]""",
        [x, y],
    )
    return found


def is_color(pixel: list[int], rgb: list[int]) -> bool:
    """Whether the pixel is of this color; canvases round what is not opaque."""
    return all(abs(level - wanted) <= 2 for level, wanted in zip(pixel, rgb, strict=False))

"""Label Studio's own labeling page in a headless Chromium, against the service as it ships."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.masks.regions import decode_region
from backend.sample_photos.photos import SAMPLE_PHOTOS
from tests.support.label_studio_editor import TIMEOUT_MS, Editor, Rgb, best_offset, iou, painted
from tests.support.label_studio_server import PASSWORD, ROOT, TOKEN, USER
from tests.support.running_service import RunningService

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SHOTS = Path(os.environ.get("SHOTS", ROOT / ".venv-ls/shots"))
COLORS: dict[str, Rgb] = {"Sky": (0, 204, 238), "Tower": (238, 51, 51)}  # in the rocket's photo
VIEWPORT = {"width": 1440, "height": 1000}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if os.environ.get("E2E_WITHOUT_BROWSER"):
        pytest.skip("E2E_WITHOUT_BROWSER is set: the labeling page is not tested")
    if CHROMIUM is None:
        pytest.fail(
            "There is no Chromium: apt-get install chromium, or set CHROMIUM to one; "
            "E2E_WITHOUT_BROWSER=1 leaves these tests out"
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in(chromium, label_studio) -> Iterator[Any]:
    """A browser context that is signed in; what it has loaded of Label Studio stays loaded."""
    with signed_in_context(chromium, label_studio.url) as context:
        yield context


@contextmanager
def signed_in_context(chromium: Any, url: str) -> Iterator[Any]:
    context = chromium.new_context(viewport=VIEWPORT)
    context.set_default_timeout(TIMEOUT_MS)
    sign_in = f"{url}/user/login/"
    context.request.get(sign_in)
    (csrf,) = [one["value"] for one in context.cookies() if one["name"] == "csrftoken"]
    form = {"email": USER, "password": PASSWORD, "csrfmiddlewaretoken": csrf}
    answer = context.request.post(sign_in, form=form, headers={"Referer": sign_in})
    assert answer.ok, answer.text()
    assert "/user/login" not in answer.url
    yield context
    context.close()


@pytest.fixture
def page(signed_in, request) -> Iterator[Any]:
    """A page whose last state is kept as a picture, named after the test."""
    page = signed_in.new_page()
    yield page
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{picture_name(request)}.png")
    page.close()


def picture_name(request: pytest.FixtureRequest) -> str:
    return re.sub(r"[^\w-]+", "-", request.node.name).strip("-")


@pytest.fixture
def shoot(page, request) -> Callable[..., None]:
    """Keep a picture of a state on the way to the last one, named after the test and it."""

    def shoot(name: str, *, is_whole: bool = False) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SHOTS / f"{picture_name(request)}-{name}.png", full_page=is_whole)

    return shoot


@pytest.fixture
def open_editor(page, label_studio) -> Callable[[int, int], Editor]:
    """Open a task of a project in the labeling page."""

    def open_editor(project: int, task: int) -> Editor:
        editor = Editor(page, SHOTS)
        editor.open(label_studio.url, project, task)
        return editor

    return open_editor


@pytest.fixture(scope="session")
def starter(label_studio, make_running) -> RunningService:
    """The service as it ships, so that masks mean something; it learns from each annotation."""
    return make_running(
        CLIP_MODEL="starter",
        CLIP_PRETRAINED="",
        LABEL_STUDIO_URL=label_studio.url,
        LABEL_STUDIO_API_KEY=TOKEN,
        LEARN_EVERY="1",
    )


@pytest.fixture
def predicted(label_studio, starter) -> Callable[..., tuple[int, int, list[dict[str, Any]]]]:
    """Make a connected project with a task of these data or photo; project, task and regions."""

    def make(label_config: str, params: Any = None, photo: Path | None = None, **data: Any) -> Any:
        project = label_studio.new_project("in the labeling page", label_config)
        row = label_studio.connect(
            project, starter.url, is_interactive=True, extra_params=params or {}
        )
        assert row["state"] == "CO", row
        if photo is None:
            task = label_studio.import_task(project, **data)
        else:
            (task,) = label_studio.upload(project, photo)
        label_studio.retrieve_predictions(project)
        (prediction,) = label_studio.predictions(project)
        return project, task, prediction["result"]

    return make


@pytest.fixture(scope="session")
def rocket() -> np.ndarray:
    (photo,) = [one for one in SAMPLE_PHOTOS if one.name == "rocket"]
    return np.asarray(Image.open(photo.path).convert("RGB"))


def masks_of(regions: list[dict[str, Any]], **where: Any) -> dict[str, np.ndarray]:
    """The mask (H, W) of each label that has one, of the regions with these fields."""
    masks: dict[str, np.ndarray] = {}
    for region in regions:
        if any(region.get(key) != wanted for key, wanted in where.items()):
            continue
        for key, names in region["value"].items():
            if key.endswith("labels"):
                mask = decode_region(region)
                masks[names[0]] = masks.get(names[0], np.zeros_like(mask)) | mask
    return masks


def labels_in_color(labels: Mapping[str, Rgb] = COLORS) -> str:
    return "".join(
        f'<Label value="{name}" background="#{bytes(rgb).hex()}"/>' for name, rgb in labels.items()
    )


def at(mask: np.ndarray, place: tuple[float, float]) -> bool:
    """The mask (H, W) at these shares of its width and height."""
    return bool(mask[int(place[1] * mask.shape[0]), int(place[0] * mask.shape[1])])


def check_painted(editor: Editor, masks: Mapping[str, np.ndarray], index: int = 0) -> None:
    """On the n-th photo of the page each label's color lies where its mask is, and nowhere else."""
    assert set(masks) == set(COLORS)
    shown, hidden = editor.look_with_and_without(index)
    seen = painted(shown, hidden, COLORS)
    for label, mask in masks.items():
        assert mask.shape[::-1] == editor.photo_wh(index), label
        wanted = editor.to_screen(mask, index)
        assert iou(seen[label], wanted) >= 0.95, label
        assert best_offset(seen[label], wanted) == (0, 0), label

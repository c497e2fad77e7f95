"""The labeling page of Label Studio in a browser: what stands on its canvas, and its mouse."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TIMEOUT_MS = 120_000  # a busy machine takes half a minute for a page
SETTLE_MS = 500  # the canvas is drawn when it stays the same for so long
PHOTO = ".lsf-object .lsf-image img"
REGIONS = ".lsf-outliner-item"
# What lies over the photo and is no region: the tools and the brush's size.
BARE = ".lsf-toolbar, .lsf-tool__controls { visibility: hidden !important }"
MAX_LOOKS = 60
AT_REST = 0.0005  # share of pixels that may differ between two looks: outlines of choices move
PAINTED_LEVELS = 8  # of 255: a pixel that differs by more than this was painted

Rgb = tuple[int, int, int]


class Editor:
    """One page, with a task open."""

    def __init__(self, page: Any, folder: Path) -> None:
        self.page = page
        self.folder = folder  # for pictures

    def open(self, url: str, project: int, task: int) -> None:
        self.page.goto(f"{url}/projects/{project}/data?task={task}", wait_until="commit")
        self.wait_for_photos()

    def open_models(self, url: str, project: int) -> None:
        """The project's page of models, once it shows one as connected."""
        self.page.goto(f"{url}/projects/{project}/settings/ml", wait_until="commit")
        self.page.locator("text=Connected").first.wait_for()

    def wait_for_photos(self) -> None:
        self.page.wait_for_function(
            """(photo) => {
              const found = [...document.querySelectorAll(photo)];
              return found.length && found.every((one) => one.complete && one.naturalWidth > 1);
            }""",
            arg=PHOTO,
        )

    def wait_for_regions(self, count: int) -> None:
        """By the editor's own count: its list holds only the rows that are in view."""
        self.page.wait_for_function(
            "(count) => window.Htx?.annotationStore.selected?.regions.length === count", arg=count
        )

    def save(self, name: str) -> None:
        """Keep a picture of the whole page."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self.folder / f"{name}.png")

    def photo_xywh(self, index: int = 0) -> tuple[float, float, float, float]:
        """Where the photo is on the page; parts of it may lie outside its frame."""
        box = self.page.locator(PHOTO).nth(index).bounding_box()
        return box["x"], box["y"], box["width"], box["height"]

    def photo_wh(self, index: int = 0) -> tuple[int, int]:
        """Its size in pixels, upright."""
        size = (
            self.page.locator(PHOTO)
            .nth(index)
            .evaluate("(one) => [one.naturalWidth, one.naturalHeight]")
        )
        return size[0], size[1]

    def frame_xywh(self, index: int = 0) -> tuple[int, int, int, int]:
        """The part of the page, in whole pixels, that shows the photo and its regions."""
        frame = self.page.locator(".lsf-object .lsf-image").nth(index).bounding_box()
        photo = self.photo_xywh(index)
        left, top = max(frame["x"], photo[0]), max(frame["y"], photo[1])
        right = min(frame["x"] + frame["width"], photo[0] + photo[2])
        bottom = min(frame["y"] + frame["height"], photo[1] + photo[3])
        x, y = int(np.ceil(left)), int(np.ceil(top))
        return x, y, int(right) - x, int(bottom) - y

    def look(self, index: int = 0) -> NDArray[np.uint8]:
        """RGB (h, w, 3) of the frame, when it has come to rest."""
        self.page.locator(".lsf-object .lsf-image").nth(index).wait_for()
        x, y, width, height = self.frame_xywh(index)
        clip = {"x": x, "y": y, "width": width, "height": height}
        before: NDArray[np.uint8] = np.zeros((height, width, 3), np.uint8)
        for _ in range(MAX_LOOKS):
            picture = Image.open(io.BytesIO(self.page.screenshot(clip=clip, style=BARE)))
            now = np.asarray(picture.convert("RGB"))
            if (np.abs(now.astype(int) - before) > PAINTED_LEVELS).any(-1).mean() < AT_REST:
                return now
            before = now
            self.page.wait_for_timeout(SETTLE_MS)
        raise AssertionError(f"the canvas still changes after {MAX_LOOKS} looks")

    def look_with_and_without(self, index: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
        """The frame with its regions, and the photo alone: the page's own eye hides them."""
        self.rest_mouse()
        shown = self.look(index)
        self.page.get_by_label("Hide all regions").click()
        self.rest_mouse()
        hidden = self.look(index)
        self.page.get_by_label("Show all regions").click()
        self.rest_mouse()
        return shown, hidden

    def rest_mouse(self) -> None:
        """Leave the photo, so that nothing is highlighted."""
        self.page.mouse.move(3, 500)

    def to_screen(self, mask: NDArray[np.bool_], index: int = 0) -> NDArray[np.bool_]:
        """The mask (H, W) of the photo as the frame shows it: nearest neighbor."""
        x, y, width, height = self.frame_xywh(index)
        left, top, photo_width, photo_height = self.photo_xywh(index)
        columns = (x + np.arange(width) + 0.5 - left) / photo_width * mask.shape[1]
        rows = (y + np.arange(height) + 0.5 - top) / photo_height * mask.shape[0]
        inside = [
            np.clip(places.astype(int), 0, size - 1)
            for places, size in zip((rows, columns), mask.shape, strict=True)
        ]
        return mask[np.ix_(*inside)]

    def at(self, x: float, y: float, index: int = 0) -> tuple[float, float]:
        """The place on the page of shares of the photo's width and height."""
        left, top, width, height = self.photo_xywh(index)
        return left + x * width, top + y * height

    def drag(self, *places: tuple[float, float]) -> None:
        """Press at the first of these shares of the photo, go through the others, release."""
        self.page.mouse.move(*self.at(*places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.at(*place), steps=8)
        self.page.mouse.up()

    def choose_label(self, label: str, group: int = 0) -> None:
        """Click on a label of the n-th control; the tool follows."""
        self.page.locator(".lsf-labels").nth(group).locator(".lsf-label", has_text=label).click()

    def choose_tool(self, name: str) -> None:
        self.page.locator(f'.lsf-tool[aria-label="{name}"]').first.click()

    def send(self, button: str, path: str) -> Mapping[str, Any]:
        """Press a button of the bottom bar and wait for the answer of this part of the API."""

        def is_ours(response: Any) -> bool:
            return path in response.url and response.request.method in ("POST", "PATCH")

        with self.page.expect_response(is_ours) as waited:
            self.page.get_by_role("button", name=button).first.click()
        assert waited.value.ok, waited.value.text()
        answer: Mapping[str, Any] = waited.value.json()
        return answer


def painted(
    shown: NDArray[np.uint8], hidden: NDArray[np.uint8], colors: Mapping[str, Rgb]
) -> dict[str, NDArray[np.bool_]]:
    """The pixels (h, w) painted in each label's color, whatever the opacity.

    A painted pixel lies on the line from the photo's color to the label's: the label is the one
    whose line is nearest.
    """
    changed = shown.astype(float) - hidden
    distances = []
    for color in colors.values():
        way = np.array(color, float) - hidden
        share = (changed * way).sum(-1) / np.maximum((way**2).sum(-1), 1)
        distances.append(np.linalg.norm(changed - np.clip(share, 0, 1)[..., None] * way, axis=-1))
    nearest = np.argmin(distances, axis=0)
    is_painted = np.abs(changed).max(-1) > PAINTED_LEVELS
    return {label: is_painted & (nearest == at) for at, label in enumerate(colors)}


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def best_offset(seen: NDArray[np.bool_], wanted: NDArray[np.bool_], reach: int = 3) -> Any:
    """(dx, dy) in pixels of the page by which `seen` is moved against `wanted`."""
    shifts = range(-reach, reach + 1)
    inner = (slice(reach, -reach), slice(reach, -reach))

    def agreement(shift: tuple[int, int]) -> float:
        moved = np.roll(seen, (-shift[1], -shift[0]), axis=(0, 1))
        return iou(moved[inner], wanted[inner])

    return max(((dx, dy) for dx in shifts for dy in shifts), key=agreement)


OpenEditor = Callable[[int, int], Editor]

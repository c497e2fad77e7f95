"""What strangers' bytes meet in Firstpass: one function each, for short runs and long ones.

A target takes bytes and returns, whatever they are: it reads them, lets the declared errors pass,
and fails on any other, or on a result that is not sound. Where there is a way back, it goes there
and reads again.
"""

import contextlib
import tempfile
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from backend.errors import ImageError, LabelConfigError, RequestError, SettingsError
from backend.http.request_models import PredictBody, SetupBody, VersionsBody, parse_body
from backend.images.decode import DecodeLimits, decode_image
from backend.label_studio.config_digest import config_digest
from backend.label_studio.controls import check_config_of_setup, read_controls
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.smart_prompts import read_prompts
from backend.label_studio.task_data import labels_for, repeat_control, task_images
from backend.label_studio.webhook_events import (
    describe_event,
    event_project,
    is_handled,
    raw_annotations,
    read_annotation,
)
from backend.learning.annotation_masks import labeled_regions, taught_masks
from backend.masks.brush_rle import decode_mask, encode_mask
from backend.masks.regions import decode_region
from backend.memory.annotation_lessons import Row
from backend.memory.export_file import read_export
from backend.memory.predicted_masks import unpack_page
from backend.memory.project_head import ProjectHead
from backend.prediction.task_targets import MAX_TARGETS
from model import BoxPrompt, Lesson, ModelError

MAX_PIXELS = 1_000_000
HW = (48, 64)  # of the image of annotations


def image(data: bytes) -> None:
    """The bytes of an image file."""
    with contextlib.suppress(ImageError):
        found = decode_image(data, DecodeLimits(MAX_PIXELS), content_type="image/png")
        assert found.dtype == np.uint8
        assert found.ndim == 3
        assert found.shape[2] == 3
        assert found.shape[0] * found.shape[1] <= MAX_PIXELS


def brush_rle(data: bytes) -> None:
    """Height and width in a byte each, then a stream; its count of values may be its own."""
    if len(data) < 2:
        return
    height_px, width_px, stream = data[0], data[1], data[2:]
    count = (4 * height_px * width_px).to_bytes(4, "big")
    for one in (stream, count + stream[4:]):
        with contextlib.suppress(RequestError):
            mask = decode_mask(one, height_px=height_px, width_px=width_px)
            assert mask.shape == (height_px, width_px)
            again = decode_mask(encode_mask(mask), height_px=height_px, width_px=width_px)
            assert np.array_equal(again, mask)


def labeling_config(data: bytes) -> None:
    """The XML of a labeling config."""
    text = data.decode(errors="surrogateescape")
    digest = config_digest(text)
    with contextlib.suppress(LabelConfigError):
        check_config_of_setup(text)
        controls = read_controls(text)
        assert controls
        assert digest
        for control in controls:
            assert control.labels or control.dynamic_key is not None
            assert all(label.name.strip() for label in control.labels)


def task(data: bytes) -> None:
    """A labeling config and the data of a task, as JSON: `[config, data]`."""
    found = json_of(data)
    if not isinstance(found, list) or len(found) != 2 or not isinstance(found[1], dict):
        return
    with contextlib.suppress(RequestError):
        for control in read_controls(found[0]):
            for one in islice(repeat_control(control, found[1]), MAX_TARGETS):
                assert task_images(one, found[1])
                assert labels_for(one, found[1])


def extra_params(data: bytes) -> None:
    """Settings of a project, as JSON."""
    with contextlib.suppress(SettingsError):
        settings, warnings = ProjectSettings.from_extra_params(json_of(data))
        assert all(isinstance(sentence, str) for sentence in warnings)
        assert ProjectSettings.from_extra_params(orjson.loads(settings.to_json())) == (settings, [])


def smart_prompts(data: bytes) -> None:
    """The context of a /predict, as JSON."""
    context = json_of(data)
    if not isinstance(context, dict):
        return
    with contextlib.suppress(RequestError):
        for prompt in read_prompts(context) or ():
            shape = prompt.shape
            shares = shape.box_xyxy if isinstance(shape, BoxPrompt) else (shape.x, shape.y)
            assert all(0 <= share <= 1 for share in shares)


def request_body(data: bytes) -> None:
    """The body of a /predict, /setup or /versions, as JSON."""
    body = json_of(data)
    if isinstance(body, dict):
        for model in (PredictBody, SetupBody, VersionsBody):
            with contextlib.suppress(RequestError):
                parse_body(model, body, "/path")


def webhook_event(data: bytes) -> None:
    """An event with its annotations, as JSON."""
    event = json_of(data)
    if not isinstance(event, dict):
        return
    describe_event(event)
    with contextlib.suppress(RequestError):
        if not is_handled(event):
            return
        assert event_project(event)
        for raw in raw_annotations(event) if "annotation" in event else ():
            learn(raw, event)


def learn(raw: Any, event: dict[str, Any]) -> None:
    with contextlib.suppress(RequestError):
        annotation = read_annotation(raw, event)
        for control in read_controls(CONFIG):
            regions = labeled_regions(annotation, control, control.labels, 0, HW)
            for taught in taught_masks(annotation, regions) or ():
                assert taught.mask.shape == HW


def region(data: bytes) -> None:
    """A result item of an annotation, as JSON."""
    item = json_of(data)
    if isinstance(item, dict):
        with contextlib.suppress(RequestError):
            mask = decode_region(item, HW)
            assert mask.dtype == np.bool_
            assert mask.shape == HW


def lesson(data: bytes) -> None:
    """A stored lesson."""
    with contextlib.suppress(ModelError):
        found = Lesson.from_bytes(data)
        assert Lesson.from_bytes(found.to_bytes()).digest == found.digest


def project_head(data: bytes) -> None:
    """The stored state of a project's lessons."""
    with contextlib.suppress(ValueError):
        head, other = ProjectHead.from_json(data)
        head.summary()
        assert ProjectHead.from_json(head.to_json(other))[0] == head


def lesson_row(data: bytes) -> None:
    """The stored row of an annotation; one that cannot be read counts as missing."""
    row = Row.from_json(data)
    assert row is None or Row.from_json(row.to_json()) == row


def predicted_page(data: bytes) -> None:
    """A stored prediction."""
    with contextlib.suppress(ValueError, LookupError, TypeError, OverflowError, zlib.error):
        page = unpack_page(data)
        assert all(mask.shape == page.image_hw for mask in page.masks.values())


def memory_file(data: bytes) -> None:
    """A file of `python -m backend memory export`."""
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data)
        file.flush()
        with contextlib.suppress(SettingsError):
            export = read_export(Path(file.name))
            for taught in export.annotations.values():
                assert all(ref.digest in export.lessons for ref in taught.lessons)


def json_of(data: bytes) -> Any:
    """The JSON value of the bytes; None for others, which the routes refuse."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


CONFIG = """<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">
<Label value="Cat" alias="a cat"/><Label value="Dog"/></BrushLabels></View>"""
TARGETS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one
    for one in (
        image, brush_rle, labeling_config, task, extra_params, smart_prompts, request_body,
        webhook_event, region, lesson, project_head, lesson_row, predicted_page, memory_file,
    )
}  # fmt: skip

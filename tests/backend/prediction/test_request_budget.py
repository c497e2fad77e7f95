"""PREDICT_BUDGET_S counts between any two steps of a request; pages are open one by one."""

import time
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backend.errors import ImageNotFound
from backend.prediction import predict_request, task_targets
from backend.timed_http import left_s
from tests.support.annotations import EVERY_PIXEL
from tests.support.label_configs import brush_labels, config, labels
from tests.support.predictions import with_pages

PAGES = config('<Image name="image" valueList="$pages"/>', brush_labels(labels("Cat")))
MANY_CONTROLS = config(
    '<Image name="image" value="$image"/>',
    *(brush_labels(labels("Cat"), name=f"tag{n}") for n in range(40)),
)
REPEATED = config(
    '<Repeater on="$a" indexFlag="{{i}}"><Repeater on="$a" indexFlag="{{j}}">'
    '<Image name="image_{{i}}_{{j}}" value="$a[{{i}}]"/>'
    + brush_labels(labels("Cat"), name="tag_{{i}}_{{j}}", to_name="image_{{i}}_{{j}}")
    + "</Repeater></Repeater>"
)


class Clock:
    """Of requests; it runs on by itself, and jumps beyond any budget."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s

    def jump(self) -> None:
        self.ahead_s = 1e9


@pytest.fixture
def clock(monkeypatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(predict_request, "time", own)
    return own


class LateSegmenter:
    """The time is over while it segments for the fourth time."""

    def __init__(self, segmenter: Any, clock: Clock) -> None:
        self._segmenter, self._clock, self.n_segmented = segmenter, clock, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._segmenter, name)

    def segment(self, *given: Any, **options: Any) -> Any:
        self.n_segmented += 1
        if self.n_segmented == 4:
            self._clock.jump()
        return self._segmenter.segment(*given, **options)


@pytest.mark.parametrize(
    ("label_config", "data"),
    [(PAGES, "pages"), (MANY_CONTROLS, "image")],
    ids=["pages", "controls"],
)
def test_no_step_begins_after_the_budget(annotator, photo_uri, clock, label_config, data):
    segmenter = LateSegmenter(annotator.painter.segmenter, clock)
    late = replace(annotator, painter=replace(annotator.painter, segmenter=segmenter))
    task = {"id": 1, "data": {data: [photo_uri] * 40 if data == "pages" else photo_uri}}
    (item,) = late.predict([task], label_config, EVERY_PIXEL)
    assert segmenter.n_segmented == 4
    assert len(item["result"]) == 3
    assert item["error"]["code"] == "overloaded"
    assert "PREDICT_BUDGET_S" in item["error"]["message"]
    assert "36 more" in item["error"]["message"]


def test_a_download_is_cut_off_by_the_budget(annotator, clock):
    given_s: list[float] = []

    def drip(_uri: str, **_: Any) -> np.ndarray:
        given_s.append(left_s(1e6))
        clock.jump()
        raise ImageNotFound("it takes too long")

    late = with_pages(annotator, load_image=drip)
    (item,) = late.predict([{"id": 1, "data": {"pages": ["http://x/1"]}}], PAGES, EVERY_PIXEL)
    assert given_s[0] <= annotator.budget_s
    assert "PREDICT_BUDGET_S" in item["error"]["message"]


def test_pages_of_a_task_are_in_memory_one_by_one(annotator, photo):
    loaded: list[weakref.ref[np.ndarray]] = []
    most: list[int] = []

    def load(_uri: str, **_: Any) -> np.ndarray:
        most.append(sum(one() is not None for one in loaded))
        image = np.roll(photo, len(loaded), axis=0)
        loaded.append(weakref.ref(image))
        return image

    pages = [f"http://x/{n}" for n in range(5)]
    uncached = with_pages(annotator, load_image=load, cache=NoCache())
    (item,) = uncached.predict([{"id": 1, "data": {"pages": pages}}], PAGES, EVERY_PIXEL)
    assert "error" not in item
    assert max(most) <= 1


class NoCache:
    def get_or_encode(self, _source: Any, _image: Any, _space: str, encode: Any) -> Any:
        return encode()


def test_a_task_of_far_too_many_pages_is_refused(annotator, photo_uri, monkeypatch):
    monkeypatch.setattr(task_targets, "MAX_TARGETS", 10)
    for label_config, data in (
        (PAGES, {"pages": [photo_uri] * 11}),
        (REPEATED, {"a": [photo_uri] * 4}),
    ):
        (item,) = annotator.predict([{"id": 1, "data": data}], label_config, EVERY_PIXEL)
        assert "divide its list of pages" in item["error"]["message"]

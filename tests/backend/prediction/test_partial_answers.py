"""A page, image or control that fails costs no other of its task; Label Studio asks again."""

from typing import Any

import pytest

from tests.support.annotations import EVERY_PIXEL
from tests.support.label_configs import CAT_DOG, IMAGE, brush_labels, config, labels
from tests.support.logs import warnings_of
from tests.support.predictions import with_pages
from tests.support.request_bodies import click

PAGES = config('<Image name="image" valueList="$pages"/>', brush_labels(labels("Cat")))
BROKEN = "data:image/png;base64,AAAA"


def ask(annotator, label_config: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    task = {"id": 5, "data": data, **more.pop("task", {})}
    (item,) = annotator.predict([task], label_config, EVERY_PIXEL, **more)
    found: dict[str, Any] = item
    return found


def test_a_broken_page_costs_no_other_and_is_named_once(annotator, photo_uri, caplog):
    item = ask(annotator, PAGES, {"pages": [photo_uri, BROKEN, photo_uri]})
    assert [region["item_index"] for region in item["result"]] == [0, 2]
    assert item["error"]["code"] == "image_broken"
    assert item["error"]["message"].startswith('Answered in part. image "image", page 2: ')
    assert warnings_of(caplog) == [f"task 5: {item['error']['message']}"]


def test_a_broken_image_costs_no_other(annotator, photo_uri):
    images = '<Image name="left" value="$l"/><Image name="right" value="$r"/>'
    label_config = config(images, brush_labels(labels("Cat"), to_name="left,right"))
    item = ask(annotator, label_config, {"l": BROKEN, "r": photo_uri})
    assert [region["to_name"] for region in item["result"]] == ["right"]
    assert 'image "left": ' in item["error"]["message"]


def test_a_control_without_its_labels_costs_no_other(annotator, photo_uri):
    dynamic = brush_labels("", 'value="$options"', name="dynamic")
    item = ask(annotator, config(IMAGE, dynamic, brush_labels(CAT_DOG)), {"image": photo_uri})
    assert {region["from_name"] for region in item["result"]} == {"tag"}
    assert 'control "dynamic": ' in item["error"]["message"]


def test_a_page_that_fails_unexpectedly_is_logged_with_its_place(annotator, photo_uri, caplog):
    load = annotator.painter.pages.load_image

    def fail_once(uri, **more):
        if uri == "x":
            raise ZeroDivisionError("secret detail")
        return load(uri, **more)

    item = ask(with_pages(annotator, load_image=fail_once), PAGES, {"pages": ["x", photo_uri]})
    assert len(item["result"]) == 1
    assert "secret" not in str(item["error"])
    assert caplog.records[0].exc_info is not None


def test_a_task_without_a_whole_page_has_no_result(annotator):
    item = ask(annotator, PAGES, {"pages": [BROKEN, BROKEN]})
    assert "result" not in item
    assert item["error"]["code"] == "image_broken"


def test_an_image_that_fails_is_asked_for_once_for_all_its_controls(annotator):
    asked = []

    def gone(uri, **_):
        asked.append(uri)
        raise OSError

    label_config = config(IMAGE, brush_labels(name="one"), brush_labels(name="two"))
    ask(with_pages(annotator, load_image=gone), label_config, {"image": "http://x/1"})
    assert asked == ["http://x/1"]


def test_label_studio_asks_again_until_the_answer_is_whole(annotator, photo_uri):
    """It asks for tasks that have no prediction of the version that /setup names."""
    partial = ask(annotator, PAGES, {"pages": [photo_uri, BROKEN]})
    whole = ask(annotator, PAGES, {"pages": [photo_uri, photo_uri]})
    assert partial["model_version"] == f"partial-{whole['model_version']}"
    assert "error" not in whole


def test_the_same_part_is_not_stored_twice(annotator, photo_uri):
    data = {"pages": [photo_uri, BROKEN, BROKEN]}
    first = ask(annotator, PAGES, data)
    stored = {"model_version": first["model_version"], "result": first["result"]}
    again = ask(annotator, PAGES, data, task={"predictions": [stored]})
    assert "result" not in again
    assert again["error"] == first["error"]
    more = ask(
        annotator, PAGES, data | {"pages": [photo_uri, photo_uri, BROKEN]},
        task={"predictions": [stored]},
    )  # fmt: skip
    assert len(more["result"]) == 2


@pytest.mark.parametrize("predictions", [None, 3, [None, 3, {}], [{"result": 7}]])
def test_whatever_stands_for_predictions_of_a_task_stops_no_part(annotator, photo_uri, predictions):
    data = {"pages": [photo_uri, BROKEN]}
    item = ask(annotator, PAGES, data, task={"predictions": predictions})
    assert len(item["result"]) == 1


def test_a_click_is_answered_whatever_the_other_pages(annotator, photo_uri):
    context = {"result": [click(50, 40, item_index=1)]}
    item = ask(annotator, PAGES, {"pages": [BROKEN, photo_uri]}, context=context)
    assert len(item["result"]) == 1
    assert "error" not in item


def test_partial_answers_are_counted(annotator, photo_uri):
    ask(annotator, PAGES, {"pages": [photo_uri, BROKEN]})
    assert 'firstpass_tasks_total{outcome="partial"}' in str(annotator.metrics.exposition())

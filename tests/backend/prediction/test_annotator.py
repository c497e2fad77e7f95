"""Tasks to predictions with the real parts; the model's weights are random, its masks arbitrary."""

import threading
from dataclasses import replace

import numpy as np

from backend.errors import ImageNotFound
from backend.label_studio.project_settings import ProjectSettings
from backend.masks.brush_rle import decode_mask
from backend.prediction.batcher import Batcher
from backend.prediction.feature_cache import FeatureCache
from model import ModelError
from tests.support.annotations import EVERY_PIXEL
from tests.support.label_configs import CAT_DOG_CONFIG, IMAGE, brush_labels, config, labels
from tests.support.logs import warnings_of
from tests.support.predictions import predict_one, with_pages


def area_px(regions) -> int:
    return sum(
        decode_mask(
            region["value"]["rle"],
            height_px=region["original_height"],
            width_px=region["original_width"],
        ).sum()
        for region in regions
    )


def test_masks_cover_the_image_once(annotator, photo, photo_uri):
    prediction = predict_one(annotator, CAT_DOG_CONFIG, {"image": photo_uri})
    assert area_px(prediction["result"]) == photo.shape[0] * photo.shape[1]
    assert all(0 <= region["score"] <= 1 for region in prediction["result"])


def test_the_same_question_has_the_same_answer_ids_included(annotator, photo_uri):
    one, two = (predict_one(annotator, CAT_DOG_CONFIG, {"image": photo_uri}) for _ in range(2))
    assert one == two


def test_region_ids_differ_between_tasks_controls_and_labels(annotator, photo_uri):
    label_config = config(
        IMAGE,
        brush_labels(labels("Cat", "Dog"), name="one"),
        brush_labels(labels("Cat", "Dog"), name="two"),
    )
    tasks = [{"id": n, "data": {"image": photo_uri}} for n in range(3)]
    regions = [
        region
        for prediction in annotator.predict(tasks, label_config, EVERY_PIXEL)
        for region in prediction["result"]
    ]
    assert len({region["id"] for region in regions}) == len(regions)
    assert all(len(region["id"]) == 10 for region in regions)


def test_one_control_on_two_images_has_regions_of_its_own_on_each(annotator, photo_uri):
    images = '<Image name="left" value="$l"/><Image name="right" value="$r"/>'
    label_config = config(images, brush_labels(labels("Cat"), to_name="left,right"))
    data = {"l": photo_uri, "r": photo_uri}
    regions = predict_one(annotator, label_config, data)["result"]
    assert [region["to_name"] for region in regions] == ["left", "right"]
    assert len({region["id"] for region in regions}) == 2  # the editor joins regions of one id


def test_controls_on_one_image_share_its_features(encodes, photo_uri):
    annotator, sizes = encodes
    label_config = config(
        IMAGE,
        brush_labels(labels("Cat", "Dog"), name="animals"),
        brush_labels(labels("Tree", "Grass"), name="plants"),
    )
    prediction = predict_one(annotator, label_config, {"image": photo_uri})
    assert sizes == [1]
    assert {region["from_name"] for region in prediction["result"]} == {"animals", "plants"}


def test_each_image_of_a_task_is_painted_by_its_own_control(annotator, photo_uri):
    images = '<Image name="left" value="$l"/><Image name="right" value="$r"/>'
    label_config = config(
        images,
        brush_labels(labels("Cat"), name="a", to_name="left"),
        brush_labels(labels("Dog"), name="b", to_name="right"),
    )
    prediction = predict_one(annotator, label_config, {"l": photo_uri, "r": photo_uri})
    assert {(r["from_name"], r["to_name"]) for r in prediction["result"]} == {
        ("a", "left"),
        ("b", "right"),
    }


def test_pages_of_a_task_carry_their_index(annotator, photo_uri):
    label_config = config('<Image name="image" valueList="$pages"/>', brush_labels(labels("Cat")))
    prediction = predict_one(annotator, label_config, {"pages": [photo_uri, photo_uri, photo_uri]})
    assert sorted({region["item_index"] for region in prediction["result"]}) == [0, 1, 2]
    assert len({region["id"] for region in prediction["result"]}) == 3


def test_labels_may_come_from_the_task(annotator, photo_uri):
    label_config = config(IMAGE, '<BrushLabels name="tag" toName="image" value="$options"/>')
    data = {"image": photo_uri, "options": [{"value": "Sky"}]}
    (region,) = predict_one(annotator, label_config, data)["result"]
    assert region["value"]["brushlabels"] == ["Sky"]


def test_masks_under_the_projects_size_are_left_out(annotator, photo_uri):
    settings = EVERY_PIXEL.model_copy(update={"min_region_px": 48 * 64 + 1})
    assert predict_one(annotator, CAT_DOG_CONFIG, {"image": photo_uri}, settings)["result"] == []


def test_regions_under_the_controls_score_are_left_out_and_the_others_stay(annotator, photo_uri):
    whole = predict_one(annotator, CAT_DOG_CONFIG, {"image": photo_uri})["result"]
    low, high = sorted(region["score"] for region in whole)
    between = brush_labels(attributes=f'model_score_threshold="{(low + high) / 2}"')
    rest = predict_one(annotator, config(IMAGE, between), {"image": photo_uri})["result"]
    assert rest == [region for region in whole if region["score"] == high]


def test_what_one_task_lacks_costs_the_others_nothing(annotator, photo_uri):
    tasks = [
        {"id": 1, "data": {"image": photo_uri}},
        {"id": 2, "data": {"picture": photo_uri}},
        {"id": 3, "data": {"image": "data:image/png;base64,AAAA"}},
        {"id": 4, "data": {"image": photo_uri}},
    ]
    predictions = annotator.predict(tasks, CAT_DOG_CONFIG, EVERY_PIXEL)
    assert [p.get("error", {}).get("code") for p in predictions] == [
        None,
        "request",
        "image_broken",
        None,
    ]
    assert all(p["model_version"] for p in predictions)


def test_answers_keep_the_order_of_many_tasks(annotator, png_uri):
    """Each task's image has a size of its own, which comes back in its regions."""
    sizes = [(40 + 3 * n, 64) for n in range(8)]
    tasks = [
        {"id": n, "data": {"image": png_uri(np.full((*size, 3), 90, dtype=np.uint8))}}
        for n, size in enumerate(sizes)
    ]
    predictions = annotator.predict(tasks, CAT_DOG_CONFIG, EVERY_PIXEL)
    found = [p["result"][0] for p in predictions]
    assert [(region["original_height"], region["original_width"]) for region in found] == sizes


def test_a_host_that_is_down_is_one_line_in_the_log(annotator, caplog):
    def gone(uri, **_):
        raise ImageNotFound(f"{uri} is gone")

    tasks = [{"id": n, "data": {"image": f"http://x/{n}"}} for n in range(20)]
    predictions = with_pages(annotator, load_image=gone).predict(
        tasks, CAT_DOG_CONFIG, EVERY_PIXEL, project_id="4.100"
    )
    assert all(p["error"]["code"] == "image_not_found" for p in predictions)
    assert [record.getMessage() for record in caplog.records] == [
        "project 4.100, task 0: http://x/0 is gone (19 more tasks failed likewise)"
    ]


def test_an_unexpected_failure_is_logged_with_its_place_and_told_without(annotator, caplog):
    def fail(uri, **_):
        raise ZeroDivisionError("secret detail")

    (prediction,) = with_pages(annotator, load_image=fail).predict(
        [{"id": 1, "data": {"image": "x"}}], CAT_DOG_CONFIG, EVERY_PIXEL
    )
    assert prediction["error"]["code"] == "internal"
    assert "secret" not in prediction["error"]["message"]
    assert caplog.records[0].exc_info is not None


def test_tasks_past_the_budget_are_left_for_the_next_time(annotator, photo_uri, caplog):
    tasks = [{"id": n, "data": {"image": photo_uri}} for n in range(4)]
    predictions = replace(annotator, budget_s=-1.0).predict(
        tasks, CAT_DOG_CONFIG, EVERY_PIXEL, project_id="12.200"
    )
    assert [p["error"]["code"] for p in predictions] == ["overloaded"] * 4
    assert all("result" not in p for p in predictions)
    (sentence,) = warnings_of(caplog)
    assert sentence == "project 12.200: " + predictions[3]["error"]["message"]
    assert "0 of 4 tasks done; choose Retrieve Predictions again" in sentence
    assert "or run python -m backend prelabel --project 12." in sentence
    assert "PREDICT_BUDGET_S" in sentence
    assert "for fewer tasks at once" in sentence


def test_an_image_that_the_model_did_not_reach_is_said_as_one_that_was_not_begun(
    annotator, own_store, photo_uri, caplog
):
    """The time that was left for the image would read as a limit that nobody set."""
    stuck = threading.Event()

    def encode(*_, **__):
        stuck.wait()
        raise ModelError("too late")

    tasks = [{"id": n, "data": {"image": photo_uri}} for n in range(3)]
    busy = with_pages(annotator, encode=Batcher(encode), cache=FeatureCache(own_store))
    predictions = replace(busy, budget_s=0.2).predict(tasks, CAT_DOG_CONFIG, EVERY_PIXEL)
    stuck.set()
    assert len({p["error"]["message"] for p in predictions}) == 1
    (sentence,) = warnings_of(caplog)
    assert "0 of 3 tasks done; choose Retrieve Predictions again" in sentence
    assert "Not answered within 0.2 s" in sentence


def test_an_emptied_context_opens_no_image(annotator):
    (prediction,) = annotator.predict(
        [{"id": 1, "data": {"image": "http://gone.invalid"}}],
        CAT_DOG_CONFIG,
        EVERY_PIXEL,
        context={"result": []},
    )
    assert prediction["result"] == []


def test_the_version_tells_settings_and_words_apart(annotator):
    plain = annotator.version(ProjectSettings())
    assert annotator.version(ProjectSettings(method="clip")) != plain
    assert annotator.version(ProjectSettings(background=("sky",))) != plain
    assert annotator.version(ProjectSettings()) == plain

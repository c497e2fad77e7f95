"""Regions by connected part, and boxes and ellipses around parts, as a task is answered."""

import numpy as np
import orjson
import pytest
from label_studio_sdk.label_interface.interface import LabelInterface

from backend.masks.regions import decode_region
from backend.memory.predicted_masks import MaskPlace
from tests.support.annotations import EVERY_PIXEL
from tests.support.label_configs import CAT_DOG, CAT_DOG_CONFIG, IMAGE, config
from tests.support.predictions import predict_one

BY_PART = EVERY_PIXEL.model_copy(update={"regions": "part"})


def boxes(kind: str) -> str:
    return config(IMAGE, f'<{kind} name="box" toName="image">{CAT_DOG}</{kind}>')


def areas_px(regions) -> list[int]:
    return [int(np.count_nonzero(decode_region(one))) for one in regions]


def test_parts_are_regions_of_their_own_and_make_up_the_labels(annotator, photo_uri):
    data = {"image": photo_uri}
    whole = predict_one(annotator, CAT_DOG_CONFIG, data)["result"]
    parts = predict_one(annotator, CAT_DOG_CONFIG, data, BY_PART)["result"]
    assert len(parts) >= len(whole)
    assert sum(areas_px(parts)) == sum(areas_px(whole))
    assert len({one["id"] for one in parts}) == len(parts)
    assert not {one["id"] for one in parts} & {one["id"] for one in whole}
    again = predict_one(annotator, CAT_DOG_CONFIG, data, BY_PART)["result"]
    assert [one["id"] for one in again] == [one["id"] for one in parts]


def test_what_is_left_out_is_not_kept_as_shown_and_is_logged(annotator, photo_uri, caplog):
    caplog.set_level("INFO")
    whole = predict_one(annotator, CAT_DOG_CONFIG, {"image": photo_uri}, project_id="left.1")
    low, high = sorted(whole["result"], key=lambda one: one["score"])
    between = EVERY_PIXEL.model_copy(update={"min_score": (low["score"] + high["score"]) / 2})
    rest = predict_one(
        annotator, CAT_DOG_CONFIG, {"image": photo_uri}, between, project_id="left.1"
    )
    assert rest["result"] == [high]
    (hidden,) = low["value"]["brushlabels"]
    line = f"project left.1, task 5: left out, by min_score or min_region_px: {hidden} "
    assert line in caplog.text
    place = MaskPlace("tag", "image", 0)
    kept = annotator.painter.predicted_masks.load("left.1", 5, place, (48, 64))
    assert hidden not in kept.masks
    assert list(kept.regions) == [high["id"]]


@pytest.mark.parametrize(
    ("kind", "key"), [("RectangleLabels", "rectanglelabels"), ("EllipseLabels", "ellipselabels")]
)
def test_controls_for_boxes_are_answered_with_one_around_each_part(annotator, photo_uri, kind, key):
    data = {"image": photo_uri}
    parts = predict_one(annotator, CAT_DOG_CONFIG, data, BY_PART)["result"]
    answer = predict_one(annotator, boxes(kind), data)
    assert len(answer["result"]) == len(parts)
    for part, around in zip(parts, answer["result"], strict=True):
        assert (around["type"], around["value"][key]) == (key, part["value"]["brushlabels"])
        assert around["score"] == part["score"]
        drawn = decode_region(part)
        common = np.count_nonzero(decode_region(around) & drawn)
        assert common > np.count_nonzero(drawn) / 2
    sent = orjson.loads(orjson.dumps(answer))
    assert LabelInterface(boxes(kind)).validate_prediction(sent, return_errors=True) == []


def test_a_tasks_score_is_the_mean_of_its_labels_however_many_parts_they_have(annotator, photo_uri):
    answer = predict_one(annotator, CAT_DOG_CONFIG, {"image": photo_uri}, BY_PART)
    by_label: dict[str, list[float]] = {}
    for one in answer["result"]:
        by_label.setdefault(one["value"]["brushlabels"][0], []).append(one["score"])
    expected = np.mean([np.mean(scores) for scores in by_label.values()])
    assert answer["score"] == pytest.approx(expected, abs=1e-3)

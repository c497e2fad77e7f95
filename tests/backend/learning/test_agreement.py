"""Annotations are compared with what was shown for their task, through the worker."""

import logging
import re
from typing import Any

import numpy as np
import pytest

from backend.http.app import create_app
from backend.masks.brush_rle import decode_mask, encode_mask
from backend.service import Service
from tests.support.annotations import CONFIG, EVERY_PIXEL, KEY, PROJECT, TRAIN, deletion, region

POLYGONS = CONFIG.replace("BrushLabels", "PolygonLabels")


@pytest.fixture
def show(service, photo_uri):
    """Predict a task; its version, and its regions as Label Studio copies them."""

    def show(task=5, label_config=CONFIG, project=KEY):
        tasks = [{"id": task, "data": {"image": photo_uri}}]
        (item,) = service.annotator.predict(tasks, label_config, EVERY_PIXEL, project_id=project)
        return item["model_version"], [one | {"origin": "prediction"} for one in item["result"]]

    return show


@pytest.fixture
def stored(learner):
    return lambda annotation="1": learner.lessons.index(KEY).annotations[annotation].agreement


def grown(item: dict) -> dict:
    """The region as a person changed it: half of the image more."""
    mask = decode_mask(item["value"]["rle"], height_px=48, width_px=64)
    mask[:24] = True
    value = item["value"] | {"rle": encode_mask(mask)}
    return item | {"value": value, "origin": "prediction-changed"}


def kinds(agreement) -> tuple[int, ...]:
    """Numbers of regions kept, changed, deleted, added."""
    return tuple(agreement.regions.values())


def rows_of_ready(service) -> list:
    answer: Any = create_app(service).test_client().get("/ready")
    return answer.json["agreement"]


def test_a_correction_is_stored_where_numpy_counts_in_numbers_of_its_own(
    send, show, corrected, stored, monkeypatch
):
    # As NumPy does since 2.4, which the tests' other packages do not yet let in.
    monkeypatch.setattr(np, "count_nonzero", lambda mask: np.int64(np.asarray(mask).sum()))
    _, shown = show()
    send(corrected(result=[grown(shown[0]), *shown[1:]], parent_prediction=3))
    assert stored().labels == 2
    assert 0 < stored().iou < 1


def test_untouched_regions_agree_in_full(send, show, corrected, stored):
    version, shown = show()
    assert len(shown) == 2
    send(corrected(result=shown, parent_prediction=3))
    assert stored().shown_by.model_version == version
    assert (stored().labels, stored().iou) == (2, 1.0)
    assert kinds(stored()) == (2, 0, 0, 0)


def test_changed_deleted_and_added_regions_are_told_apart(send, show, corrected, stored):
    _, (cat, dog) = show()
    send(corrected(result=[grown(cat)], parent_prediction=3))
    assert kinds(stored()) == (0, 1, 1, 0)
    before = decode_mask(cat["value"]["rle"], height_px=48, width_px=64)
    after = decode_mask(grown(cat)["value"]["rle"], height_px=48, width_px=64)
    assert stored().labels == 2
    assert stored().iou_sum == pytest.approx((before & after).sum() / after.sum(), abs=1e-3)
    everywhere = np.ones((48, 64), bool)
    send(corrected(2, result=[cat, dog, region("c", everywhere, id="new")], parent_prediction=3))
    assert kinds(stored("2")) == (2, 0, 0, 1)
    assert stored("2").iou < 1


def test_a_region_with_another_label_is_changed(send, show, corrected, stored):
    _, (cat, dog) = show()
    dog = dog | {"value": dog["value"] | {"brushlabels": ["c"]}}
    send(corrected(result=[cat, dog], parent_prediction=3))
    assert kinds(stored()) == (1, 1, 0, 0)


def test_untouched_polygons_agree_in_full_though_they_only_come_near_the_masks(
    send, show, corrected, stored
):
    _, shown = show(label_config=POLYGONS)
    for item in shown:
        item["value"] = item["value"] | {"points": item["value"]["points"].tolist()}
    event = corrected(result=shown, parent_prediction=3)
    send(event | {"project": PROJECT | {"label_config": POLYGONS}})
    assert (stored().iou, kinds(stored())) == (1.0, (len(shown), 0, 0, 0))
    event = corrected(2, result=shown[1:], parent_prediction=3)
    send(event | {"project": PROJECT | {"label_config": POLYGONS}})
    assert stored("2").deleted == 1


def test_what_nobody_checked_or_was_not_shown_is_not_compared(send, show, corrected, stored):
    send(corrected(task=1))
    assert stored() is None
    _, shown = show()
    bulk = corrected(2, result=shown, parent_prediction=3)
    bulk |= {"annotation": [bulk["annotation"]], "task": [bulk["task"]]}
    send(bulk | {"action": "ANNOTATIONS_CREATED"})
    assert stored("2") is None


def test_who_drew_without_the_prediction_deleted_nothing_of_it(send, show, corrected, stored, mask):
    show()
    send(corrected(result=[region("c", mask, id="own")]))
    assert kinds(stored()) == (0, 0, 0, 1)
    assert stored().iou < 1


def test_a_damaged_region_is_neither_deleted_nor_measured(send, show, corrected, stored):
    _, (cat, dog) = show()
    send(corrected(result=[cat, dog | {"original_width": 9}], parent_prediction=3))
    assert (stored().labels, stored().iou) == (1, 1.0)
    assert stored().deleted == 0


def test_a_prediction_that_learned_from_the_task_is_not_compared_with(
    send, show, corrected, stored
):
    version, (cat, dog) = show()
    send(corrected(result=[cat], parent_prediction=3), TRAIN)
    first = stored()
    assert show()[0].startswith("mem1-")
    send(corrected(result=[cat, dog], parent_prediction=3, second=1))  # presses Update
    assert stored() == first
    assert stored().shown_by.model_version == version
    send(corrected(2, result=[cat], parent_prediction=3))  # another person's, of the same task
    assert stored("2") is None


def test_an_update_replaces_it_and_a_deletion_removes_it(learner, send, show, corrected, stored):
    _, (cat, dog) = show()
    send(corrected(result=[cat], parent_prediction=3))
    send(corrected(result=[cat, dog], parent_prediction=3, second=1))
    assert stored().iou == 1.0
    send(deletion(1))
    assert "1" not in learner.lessons.index(KEY).annotations


def test_the_log_says_how_far_each_annotation_agreed_and_each_version(
    send, show, corrected, caplog
):
    caplog.set_level(logging.INFO)
    plain, (cat, _) = show(5)
    send(corrected(1, task=5, result=[cat], parent_prediction=3), TRAIN)
    assert (
        "annotation 1: learned 1 label (Cat); agreed 0.50 with what was shown: "
        "1 kept, 0 changed, 1 deleted, 0 added. No version yet"
    ) in caplog.text
    assert f"What was shown agreed 0.50 under {plain} (1 annotation).\n" in caplog.text
    learned, shown = show(6)
    send(corrected(2, task=6, second=1, result=shown, parent_prediction=4), TRAIN)
    assert (
        f"What was shown agreed 1.00 under {learned} (1 annotation), 0.50 under {plain} "
        "(1 annotation).\n"
    ) in caplog.text


def test_ready_and_metrics_say_how_far_annotations_agreed(service, send, show, corrected):
    assert rows_of_ready(service) == []
    version, (cat, dog) = show(5)
    send(corrected(1, task=5, result=[cat], parent_prediction=3))
    _, (cat, dog) = show(6)
    send(corrected(2, task=6, second=1, result=[cat, grown(dog)], parent_prediction=4))
    (row,) = rows_of_ready(service)
    assert (row["project"], row["model_version"], row["annotations"]) == (KEY, version, 2)
    assert [row[kind] for kind in ("kept", "changed", "deleted", "added")] == [2, 1, 1, 0]
    text = create_app(service).test_client().get("/metrics").text
    assert 'firstpass_shown_regions_total{kind="kept"} 2.0' in text
    assert "firstpass_compared_labels_total 4.0" in text
    iou_sum = float(re.findall(r"(?m)^firstpass_compared_labels_iou_total (\S+)", text)[0])
    assert row["iou"] == pytest.approx(iou_sum / 4, abs=1e-3)


def test_what_ready_says_of_agreement_survives_a_restart_and_is_of_the_newest_projects(
    service, store, send, show, corrected
):
    for n in range(1, 23):
        _, (cat, _) = show(project=f"{n}.100")
        event = corrected(result=[cat], parent_prediction=3, second=n)
        send(event | {"project": PROJECT | {"id": n}})
    restarted = Service(service.settings)
    restarted.store = store
    assert [row["project"] for row in rows_of_ready(restarted)] == [
        f"{n}.100" for n in range(22, 2, -1)
    ]

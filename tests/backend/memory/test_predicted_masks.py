"""What was shown for a task is known when it comes back corrected."""

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.memory.agreement import ShownBy
from backend.memory.predicted_masks import MaskPlace, PredictedMasks
from backend.store.keys import predicted_masks_key
from backend.store.store import open_store
from model import Segmentation
from tests.support.damage import JSON, damaged
from tests.support.logs import warnings_of

HW = (40, 60)
PLACE = MaskPlace("tag", "image", 0)
REGIONS = {"1a2b3c": "Label 0"}
SHOWN_BY = ShownBy("mem3-tiny/firstpass-5f3a9c", "3-1a2b3c")


def found(n_classes: int, hw=HW) -> Segmentation:
    label_map = np.random.default_rng(0).integers(-1, n_classes, hw).astype(np.int16)
    names = tuple(f"Label {n}" for n in range(n_classes))
    return Segmentation(names, label_map, np.zeros(n_classes, np.float32))


@pytest.mark.parametrize("n_classes", [1, 5, 300])
def test_masks_come_back_as_they_were(store, n_classes):
    masks_store, segmentation = PredictedMasks(store), found(n_classes)
    masks_store.save("1.1", n_classes, PLACE, segmentation, REGIONS, SHOWN_BY)
    page = masks_store.load("1.1", n_classes, PLACE, HW)
    assert page is not None
    assert (page.regions, page.shown_by) == (REGIONS, SHOWN_BY)
    for index, name in enumerate(segmentation.class_names):
        mask = segmentation.mask(index)
        assert (name in page.masks) == mask.any()
        if mask.any():
            assert (page.masks[name] == mask).all()


def test_places_are_told_apart_and_forgotten_with_their_task(store):
    masks_store = PredictedMasks(store)
    places = [
        MaskPlace("tag", "left", 0),
        MaskPlace("tag", "left", 1),
        MaskPlace("tag", "right", 0),
    ]
    for n, place in enumerate(places, 2):
        masks_store.save("1.1", 7, place, found(n), REGIONS, SHOWN_BY)
    for n, place in enumerate(places, 2):
        page = masks_store.load("1.1", 7, place, HW)
        assert page is not None
        assert len(page.masks) == n
    assert masks_store.load("1.2", 7, places[0], HW) is None
    assert masks_store.load("1.1", 8, places[0], HW) is None
    assert masks_store.load("1.1", 7, MaskPlace("other", "left", 0), HW) is None
    assert (
        0
        < store.run("look", lambda client: client.ttl(predicted_masks_key("1.1", 7)))
        <= 7 * 24 * 3600
    )
    masks_store.delete("1.1", [7])
    assert masks_store.load("1.1", 7, places[0], HW) is None


def test_names_of_any_characters_are_told_apart():
    alike = [MaskPlace("a:b", "c", 0), MaskPlace("a", "b:c", 0), MaskPlace('a", "b', "c", 0)]
    assert len({place.key for place in alike}) == len(alike)


@pytest.mark.parametrize("foreign", [b"", b"x", b"{}\nx", b'{"dtype": "uint8", "hw": [9, 9]}\nx'])
def test_what_is_not_ours_is_as_good_as_nothing(store, foreign):
    store.run(
        "spoil", lambda client: client.hset(predicted_masks_key("1.1", 9), PLACE.key, foreign)
    )
    assert PredictedMasks(store).load("1.1", 9, PLACE, HW) is None


@pytest.mark.parametrize(
    "about", [{"shown_by": 3}, {"shown_by": {"x": "y"}}, {"regions": 3}, {"regions": {"a": 1}}]
)
def test_a_prediction_by_who_knows_whom_is_as_good_as_nothing(store, about, caplog):
    PredictedMasks(store).save("1.1", 11, PLACE, found(2), REGIONS, SHOWN_BY)
    rewrite_header(store, 11, lambda header: header | about)
    predicted = PredictedMasks(store)
    assert predicted.load("1.1", 11, PLACE, HW) is None
    assert predicted.load("1.1", 11, PLACE, HW) is None
    (line,) = warnings_of(caplog)
    assert "project 1.1, task 11: the stored prediction cannot be read" in line


def test_masks_of_a_release_that_kept_no_version_are_known_without_it(store):
    PredictedMasks(store).save("1.1", 12, PLACE, found(2), REGIONS, SHOWN_BY)
    kept = ("hw", "labels", "dtype")
    rewrite_header(store, 12, lambda header: {key: header[key] for key in kept})
    page = PredictedMasks(store).load("1.1", 12, PLACE, HW)
    assert page is not None
    assert set(page.masks) == {"Label 0", "Label 1"}
    assert (page.regions, page.shown_by) == ({}, None)


def rewrite_header(store, task, change) -> None:
    def rewrite(client) -> None:
        key = predicted_masks_key("1.1", task)
        head, _, body = client.hget(key, PLACE.key).partition(b"\n")
        client.hset(key, PLACE.key, orjson.dumps(change(orjson.loads(head))) + b"\n" + body)

    store.run("rewrite", rewrite)


def test_a_prediction_of_an_image_that_was_replaced_is_not_compared_with_and_said_once(
    store, caplog
):
    PredictedMasks(store).save("1.1", 10, PLACE, found(2), REGIONS, SHOWN_BY)
    predicted = PredictedMasks(store)
    assert predicted.load("1.1", 10, PLACE, (60, 40)) is None
    assert predicted.load("1.1", 10, PLACE, (60, 40)) is None
    (line,) = warnings_of(caplog)
    assert "project 1.1, task 10: its image has 40 x 60 pixels, and had 60 x 40" in line


def test_a_field_of_a_newer_release_is_passed_over(store):
    PredictedMasks(store).save("1.1", 13, PLACE, found(2), REGIONS, SHOWN_BY)
    more = {"shown_by": {"model_version": "m", "lessons_version": "", "new": 1}, "new": 2}
    rewrite_header(store, 13, lambda header: header | more)
    page = PredictedMasks(store).load("1.1", 13, PLACE, HW)
    assert page is not None
    assert page.shown_by == ShownBy("m", "")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(["hw", "labels", "dtype", "regions", "shown_by"]), value=JSON)
def test_a_damaged_header_is_read_or_passed_over_never_worse(store, field, value):
    PredictedMasks(store).save("1.1", 14, PLACE, found(2), REGIONS, SHOWN_BY)
    rewrite_header(store, 14, lambda header: header | {field: value})
    PredictedMasks(store).load("1.1", 14, PLACE, HW)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_are_read_or_passed_over_never_worse(store, data):
    PredictedMasks(store).save("1.1", 15, PLACE, found(2), REGIONS, SHOWN_BY)
    key = predicted_masks_key("1.1", 15)
    value = store.run("look", lambda client: client.hget(key, PLACE.key))
    spoiled = data.draw(damaged(value))
    store.run("spoil", lambda client: client.hset(key, PLACE.key, spoiled))
    PredictedMasks(store).load("1.1", 15, PLACE, HW)


def test_without_a_store_nothing_is_known_and_nothing_fails(tmp_path):
    gone = open_store("redis://127.0.0.1:9", tmp_path)
    masks_store = PredictedMasks(gone)
    masks_store.save("1.1", 1, PLACE, found(2), REGIONS, SHOWN_BY)
    assert masks_store.load("1.1", 1, PLACE, HW) is None
    gone.close()

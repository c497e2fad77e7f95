"""The playground's requests: a photo, labels, masks, clicks; nothing of them is kept."""

import io

import numpy as np
import pytest
from PIL import Image

from backend.errors import ImageTooLarge
from backend.http.app import create_app
from backend.http.photo_shelf import PhotoGone, PhotoShelf
from backend.masks.brush_rle import decode_mask
from tests.support.label_configs import CAT_ALIAS_DOG_CONFIG
from tests.support.request_bodies import box, click, predict_body


def png_of(image: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return data.getvalue()


def decoded(runs: dict) -> np.ndarray:
    """The label map of an answer, (height, width)."""
    labels, lengths = runs["runs"][::2], runs["runs"][1::2]
    return np.repeat(labels, lengths).reshape(runs["height"], runs["width"])


@pytest.fixture
def photo_name(client, photo) -> str:
    return client.post("/page/photo", data=png_of(photo)).json["photo"]


def test_a_photo_is_taken_in_and_shown_as_it_was_decoded(client, photo):
    answer = client.post("/page/photo", data=png_of(photo)).json
    assert (answer["width"], answer["height"]) == (64, 48)
    preview = client.get(f"/page/photo/{answer['photo']}")
    assert preview.headers["Cache-Control"] == "no-store"
    shown = np.asarray(Image.open(io.BytesIO(preview.data)))
    assert np.abs(shown.astype(int) - photo).mean() < 8


@pytest.mark.parametrize(
    ("data", "code"), [(b"", "request"), (b"no photo", "image_broken")], ids=["empty", "text"]
)
def test_what_is_no_photo_is_refused_with_a_reason(client, data, code):
    answer = client.post("/page/photo", data=data)
    assert (answer.status_code, answer.json["error"]) == (400, code)


def test_limits_of_images_hold_here_too(make_client, photo):
    large = np.zeros((1100, 1000, 3), dtype=np.uint8)
    answer = make_client(image_max_mpx=1).post("/page/photo", data=png_of(large))
    assert answer.json["error"] == "image_too_large"
    noise = np.random.default_rng(0).integers(0, 255, (700, 700, 3), dtype=np.uint8)
    answer = make_client(image_max_mb=1).post("/page/photo", data=png_of(noise))
    assert answer.json["error"] == "image_too_large"


def test_typed_labels_are_found_and_come_back_as_a_config_to_paste(client, photo_name):
    answer = client.post("/page/segment", json={"photo": photo_name, "labels": "disk, Dark ground"})
    found = answer.json
    label_map = decoded(found["map"])
    assert label_map.shape == (48, 64)
    assert [label["value"] for label in found["labels"]] == ["disk", "Dark ground"]
    assert found["labels"][1]["words"] == ["dark ground"]
    for index, label in enumerate(found["labels"]):
        assert (label["score"] is not None) == (label_map == index).any()
    assert found["negatives"]
    assert set(found["seconds"]) == {"words", "features", "decision"}
    again = {"photo": photo_name, "labels": found["label_config"]}
    assert client.post("/page/segment", json=again).json["map"] == found["map"]
    setup = client.post("/setup", json={"project": "9.1", "schema": found["label_config"]})
    assert setup.json["warnings"] == []


def test_a_label_that_predictions_leave_out_is_said_with_its_score(client, photo_name):
    asked = {"photo": photo_name, "labels": "cat, dog, sky, road", "extra_params": {"min_score": 1}}
    rows = client.post("/page/segment", json=asked).json["labels"]
    assert {(row["score"], row["share"]) for row in rows} == {(None, None)}
    shown = asked | {"extra_params": {"min_score": 0}}
    scores = [row["score"] for row in client.post("/page/segment", json=shown).json["labels"]]
    assert any(scores)
    assert [row["left_out"] for row in rows] == pytest.approx(scores, abs=1e-6)


def test_the_masks_are_those_of_a_prediction(client, photo_name, photo_uri):
    every = {"min_score": 0}  # whatever the weights
    setup = {"project": "77.1", "schema": CAT_ALIAS_DOG_CONFIG, "extra_params": every}
    assert client.post("/setup", json=setup).status_code == 200
    body = predict_body(photo_uri) | {"project": "77.1"}
    (item,) = client.post("/predict", json=body).json["results"]
    asked = {"photo": photo_name, "labels": CAT_ALIAS_DOG_CONFIG, "extra_params": every}
    found = client.post("/page/segment", json=asked).json
    label_map = decoded(found["map"])
    assert item["result"]
    for region in item["result"]:
        names = [label["name"] for label in found["labels"]]
        index = names.index(region["value"]["brushlabels"][0])
        mask = decode_mask(region["value"]["rle"], height_px=48, width_px=64)
        assert np.array_equal(label_map == index, mask)
        assert found["labels"][index]["score"] == pytest.approx(region["score"], abs=1e-3)


def test_a_method_and_a_refiner_can_be_chosen(client, photo_name):
    body = {"photo": photo_name, "labels": "cat, dog"}
    chosen = {"extra_params": {"method": "naclip", "refiner": "none"}}
    found = client.post("/page/segment", json=body | chosen).json
    assert (found["method"], found["refiner"]) == ("naclip", "none")
    wrong = client.post("/page/segment", json=body | {"extra_params": {"method": "nalcip"}})
    assert (wrong.status_code, wrong.json["error"]) == (400, "settings")


def test_a_click_is_answered_as_a_smart_key_point_is(client, photo_name):
    body = {"photo": photo_name, "labels": "disk, ground"}
    away = click(95, 95, "disk", is_positive=False)
    for items in ([click(47, 42, "disk")], [click(47, 42, "disk"), away]):
        found = client.post("/page/click", json=body | {"context": {"result": items}}).json
        mask = decoded(found["map"]) == found["label"]
        assert found["label"] == 0
        assert mask[20, 30]
        assert not mask[46, 62] or away not in items
        assert found["share"] == pytest.approx(mask.mean(), abs=0.01)


def test_a_box_keeps_the_mask_inside_it(client, photo_name):
    body = {"photo": photo_name, "labels": "disk, ground"}
    context = {"result": [box(25, 12, 44, 60, "ground")]}
    found = client.post("/page/click", json=body | {"context": context}).json
    mask = decoded(found["map"]) == 1
    assert mask[:, :14].sum() == mask[42:].sum() == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "context"),
        ({"context": {"result": []}}, "at least one"),
        ({"context": {"result": [click(5, 5, "horse")]}}, "no label"),
        ({"context": {"result": [click(5, 5, "cat")]}, "labels": ""}, "Type labels"),
        ({"context": "abc"}, '"context" of /page/click must be an object'),
        ({"context": {"result": [7]}}, "must be an object"),
        ({"labels": ["cat"]}, '"labels" of /page/click must be names with commas'),
        ({"photo": 5}, '"photo" of /page/click must be the name'),
        ({"labels": "<View>"}, "not valid XML"),
        ({"labels": ", ".join(map(str, range(101)))}, "takes 100"),
    ],
)
def test_a_request_that_lacks_something_says_what(client, photo_name, more, said):
    no_click: dict = {"context": {"result": []}} if more else {}
    body = {"photo": photo_name, "labels": "cat, dog"} | no_click | more
    answer = client.post("/page/click", json=body)
    assert answer.status_code == 400
    assert said in answer.json["message"]


def test_nothing_of_it_is_stored(service, client, photo):
    def keys() -> set[bytes]:
        found = service.store.run("list", lambda redis: list(redis.scan_iter(count=1000)))
        return {key for key in found if b"text" not in key}  # words are cached

    before = keys()
    name = client.post("/page/photo", data=png_of(photo)).json["photo"]
    body = {"photo": name, "labels": "cat, dog"}
    assert client.post("/page/segment", json=body).status_code == 200
    context = {"context": {"result": [click(47, 42)]}, "labels": "Cat"}
    assert client.post("/page/click", json=body | context).status_code == 200
    assert keys() == before
    assert service.pages.cache.size_bytes() == 0


def test_it_waits_in_the_same_line_as_predictions(service, photo):
    app = create_app(service)
    lanes = app.extensions["app_state"].lanes
    for lane in (lanes.predictions, lanes.clicks):
        while lane.free.acquire(blocking=False):
            pass
    client = app.test_client()
    asked = {"photo": "a", "labels": "cat", "context": {}}
    for path in ("/page/photo", "/page/segment", "/page/click"):
        assert client.post(path, json=asked).status_code == 503
    assert client.get("/page/status").status_code == 200


def test_a_photo_that_is_not_kept_any_more_is_asked_for_again(client):
    answer = client.post("/page/segment", json={"photo": "gone", "labels": "cat"})
    assert (answer.status_code, answer.json["error"]) == (404, "photo_gone")


def test_old_photos_make_room_for_new_ones(photo):
    shelf = PhotoShelf(max_bytes=2 * photo.nbytes)
    first, second, third = (shelf.add(photo) for _ in range(3))
    with pytest.raises(PhotoGone):
        shelf[first]
    assert shelf[second].image is shelf[third].image
    with pytest.raises(ImageTooLarge, match="playground takes"):
        shelf.add(np.zeros((200, 200, 3), dtype=np.uint8))

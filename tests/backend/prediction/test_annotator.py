"""Tasks to predictions with the real parts; the model's weights are random, its masks arbitrary."""

from dataclasses import replace

import numpy as np
import pytest

from backend.errors import ImageNotFound
from backend.label_studio.project_settings import ProjectSettings
from backend.masks.brush_rle import decode_mask
from backend.prediction.batcher import Batcher
from backend.prediction.feature_cache import FeatureCache

# Without negatives every pixel has one of the labels, however arbitrary.
EVERY_PIXEL = ProjectSettings(auto_negatives=False, min_region_px=1)


def view(*controls: str, image='<Image name="image" value="$image"/>') -> str:
    return f"<View>{image}{''.join(controls)}</View>"


def brush(name: str, *labels: str, to_name="image", attrs="") -> str:
    inside = "".join(f'<Label value="{label}"/>' for label in labels)
    return f'<BrushLabels name="{name}" toName="{to_name}" {attrs}>{inside}</BrushLabels>'


ANIMALS = view(brush("tag", "Cat", "Dog"))


def area_px(regions) -> int:
    return sum(
        decode_mask(
            region["value"]["rle"],
            height_px=region["original_height"],
            width_px=region["original_width"],
        ).sum()
        for region in regions
    )


@pytest.fixture
def encodes(annotator, store):
    """The annotator that has seen nothing yet, and a list that grows by each batch's images."""
    sizes = []
    batcher = Batcher(annotator.painter.segmenter.encode, on_batch=sizes.append)
    yield with_pages(annotator, encode=batcher, cache=FeatureCache(store)), sizes
    batcher.close()


def with_pages(annotator, **changes):
    """The annotator with another way to load images, or to encode or keep them."""
    painter = annotator.painter
    return replace(annotator, painter=replace(painter, pages=replace(painter.pages, **changes)))


def predict_one(annotator, config, data, settings=EVERY_PIXEL, **more):
    (prediction,) = annotator.predict([{"id": 5, "data": data}], config, settings, **more)
    assert "error" not in prediction, prediction["error"]
    return prediction


def test_masks_cover_the_image_once(annotator, photo, photo_uri):
    prediction = predict_one(annotator, ANIMALS, {"image": photo_uri})
    assert area_px(prediction["result"]) == photo.shape[0] * photo.shape[1]
    assert all(0 <= region["score"] <= 1 for region in prediction["result"])


def test_the_same_question_has_the_same_answer_ids_included(annotator, photo_uri):
    one, two = (predict_one(annotator, ANIMALS, {"image": photo_uri}) for _ in range(2))
    assert one == two


def test_region_ids_differ_between_tasks_controls_and_labels(annotator, photo_uri):
    config = view(brush("one", "Cat", "Dog"), brush("two", "Cat", "Dog"))
    tasks = [{"id": n, "data": {"image": photo_uri}} for n in range(3)]
    regions = [
        region
        for prediction in annotator.predict(tasks, config, EVERY_PIXEL)
        for region in prediction["result"]
    ]
    assert len({region["id"] for region in regions}) == len(regions)
    assert all(len(region["id"]) == 10 for region in regions)


def test_controls_on_one_image_share_its_features(encodes, photo_uri):
    annotator, sizes = encodes
    config = view(brush("animals", "Cat", "Dog"), brush("plants", "Tree", "Grass"))
    prediction = predict_one(annotator, config, {"image": photo_uri})
    assert sizes == [1]
    assert {region["from_name"] for region in prediction["result"]} == {"animals", "plants"}


def test_each_image_of_a_task_is_painted_by_its_own_control(annotator, photo_uri):
    images = '<Image name="left" value="$l"/><Image name="right" value="$r"/>'
    config = view(
        brush("a", "Cat", to_name="left"), brush("b", "Dog", to_name="right"), image=images
    )
    prediction = predict_one(annotator, config, {"l": photo_uri, "r": photo_uri})
    assert {(r["from_name"], r["to_name"]) for r in prediction["result"]} == {
        ("a", "left"),
        ("b", "right"),
    }


def test_pages_of_a_task_carry_their_index(annotator, photo_uri):
    config = view(brush("tag", "Cat"), image='<Image name="image" valueList="$pages"/>')
    prediction = predict_one(annotator, config, {"pages": [photo_uri, photo_uri, photo_uri]})
    assert sorted({region["item_index"] for region in prediction["result"]}) == [0, 1, 2]
    assert len({region["id"] for region in prediction["result"]}) == 3


def test_labels_may_come_from_the_task(annotator, photo_uri):
    config = view('<BrushLabels name="tag" toName="image" value="$options"/>')
    data = {"image": photo_uri, "options": [{"value": "Sky"}]}
    (region,) = predict_one(annotator, config, data)["result"]
    assert region["value"]["brushlabels"] == ["Sky"]


def test_masks_under_the_projects_size_are_left_out(annotator, photo_uri):
    settings = EVERY_PIXEL.model_copy(update={"min_region_px": 48 * 64 + 1})
    assert predict_one(annotator, ANIMALS, {"image": photo_uri}, settings)["result"] == []


def test_what_one_task_lacks_costs_the_others_nothing(annotator, photo_uri):
    tasks = [
        {"id": 1, "data": {"image": photo_uri}},
        {"id": 2, "data": {"picture": photo_uri}},
        {"id": 3, "data": {"image": "data:image/png;base64,AAAA"}},
        {"id": 4, "data": {"image": photo_uri}},
    ]
    predictions = annotator.predict(tasks, ANIMALS, EVERY_PIXEL)
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
    predictions = annotator.predict(tasks, ANIMALS, EVERY_PIXEL)
    found = [p["result"][0] for p in predictions]
    assert [(region["original_height"], region["original_width"]) for region in found] == sizes


def test_a_host_that_is_down_is_one_line_in_the_log(annotator, caplog):
    def gone(uri, **_):
        raise ImageNotFound(f"{uri} is gone")

    tasks = [{"id": n, "data": {"image": f"http://x/{n}"}} for n in range(20)]
    predictions = with_pages(annotator, load_image=gone).predict(tasks, ANIMALS, EVERY_PIXEL)
    assert all(p["error"]["code"] == "image_not_found" for p in predictions)
    assert [record.getMessage() for record in caplog.records] == [
        "task 0: http://x/0 is gone (and 19 more: image_not_found)"
    ]


def test_an_unexpected_failure_is_logged_with_its_place_and_told_without(annotator, caplog):
    def fail(uri, **_):
        raise ZeroDivisionError("secret detail")

    (prediction,) = with_pages(annotator, load_image=fail).predict(
        [{"id": 1, "data": {"image": "x"}}], ANIMALS, EVERY_PIXEL
    )
    assert prediction["error"]["code"] == "internal"
    assert "secret" not in prediction["error"]["message"]
    assert caplog.records[0].exc_info is not None


def test_tasks_past_the_budget_are_left_for_the_next_time(annotator, photo_uri):
    tasks = [{"id": n, "data": {"image": photo_uri}} for n in range(4)]
    predictions = replace(annotator, budget_s=-1.0).predict(tasks, ANIMALS, EVERY_PIXEL)
    assert [p["error"]["code"] for p in predictions] == ["overloaded"] * 4
    assert all("result" not in p for p in predictions)


def test_an_emptied_context_opens_no_image(annotator):
    (prediction,) = annotator.predict(
        [{"id": 1, "data": {"image": "http://gone.invalid"}}],
        ANIMALS,
        EVERY_PIXEL,
        context={"result": []},
    )
    assert prediction["result"] == []


def click(x: float, y: float, label="Cat", **more) -> dict:
    """A key point at percents of the image, as Label Studio sends it."""
    value = {"x": x, "y": y, "width": 0.2, "keypointlabels": [label]}
    return {"type": "keypointlabels", "to_name": "image", "id": f"{x},{y}", "value": value, **more}


def box(x: float, y: float, width: float, height: float, label="Cat") -> dict:
    value = {"x": x, "y": y, "width": width, "height": height, "rectanglelabels": [label]}
    return {"type": "rectanglelabels", "to_name": "image", "id": "box", "value": value}


def ask(annotator, data, *prompts, config=ANIMALS, settings=EVERY_PIXEL) -> list[dict]:
    context = {"result": list(prompts)}
    return predict_one(annotator, config, data, settings, context=context)["result"]


@pytest.mark.parametrize(
    "prompts",
    [
        [click(50, 40)],
        [click(50, 40), click(5, 95, is_positive=False)],
        [box(20, 10, 60, 70)],
        [box(20, 10, 60, 70), click(50, 40), click(5, 95, is_positive=False)],
    ],
    ids=["click", "clicks of both signs", "box", "mixed"],
)
def test_prompts_are_answered_with_one_region_of_their_label(annotator, photo_uri, prompts):
    (region,) = ask(annotator, {"image": photo_uri}, *prompts)
    assert region["from_name"] == "tag"
    assert region["value"]["brushlabels"] == ["Cat"]
    assert 0 <= region["score"] <= 1
    mask = decode_mask(region["value"]["rle"], height_px=48, width_px=64)
    if prompts[0]["type"] == "keypointlabels":
        assert mask[19, 32]
    assert not mask[45, 3] or len(prompts) == 1


def test_the_answer_keeps_its_id_from_click_to_click(annotator, photo_uri):
    whole = predict_one(annotator, ANIMALS, {"image": photo_uri})["result"][0]
    (one,) = ask(annotator, {"image": photo_uri}, click(50, 40))
    (two,) = ask(annotator, {"image": photo_uri}, click(50, 40), click(60, 40))
    (other,) = ask(annotator, {"image": photo_uri}, click(60, 40))
    assert one["id"] == two["id"]
    assert len({one["id"], other["id"], whole["id"]}) == 3  # they may stand in one annotation


def test_a_click_on_what_was_just_predicted_loads_and_encodes_nothing(encodes, photo_uri):
    annotator, sizes = encodes
    predict_one(annotator, ANIMALS, {"image": photo_uri})

    def gone(uri, **_):
        raise ImageNotFound(f"{uri} is gone")

    assert ask(with_pages(annotator, load_image=gone), {"image": photo_uri}, click(50, 40))
    assert sizes == [1]


def test_prompts_are_for_their_image_and_page_alone(annotator, photo_uri):
    config = view(brush("tag", "Cat"), image='<Image name="image" valueList="$pages"/>')
    prompt = click(50, 40, item_index=1)
    (region,) = ask(annotator, {"pages": [photo_uri] * 3}, prompt, config=config)
    assert region["item_index"] == 1
    elsewhere = click(50, 40) | {"to_name": "another"}
    assert ask(annotator, {"image": photo_uri}, elsewhere) == []


def test_a_prompt_for_a_label_that_no_control_paints_is_answered_empty(annotator, photo_uri):
    assert ask(annotator, {"image": photo_uri}, click(50, 40, label="Zebra")) == []


@pytest.mark.parametrize("tag", ["BrushLabels", "BitmaskLabels", "PolygonLabels", "Labels"])
def test_prompts_are_answered_in_the_controls_own_kind(annotator, photo_uri, tag):
    stroke = '<Brush name="brush" toName="image"/>' if tag == "Labels" else ""
    config = view(f'<{tag} name="tag" toName="image"><Label value="Cat"/></{tag}>', stroke)
    regions = ask(annotator, {"image": photo_uri}, click(50, 40), config=config)
    assert {region["type"] for region in regions} <= {tag.lower(), "brush"}
    assert regions


def test_the_version_tells_settings_and_words_apart(annotator):
    plain = annotator.version(ProjectSettings())
    assert annotator.version(ProjectSettings(method="clip")) != plain
    assert annotator.version(ProjectSettings(background=("sky",))) != plain
    assert annotator.version(ProjectSettings()) == plain

"""Key points and rectangles that a person left in an annotation, without the answer to them."""

import pytest

from backend.masks.brush_rle import decode_mask
from tests.support.annotations import CONFIG, EVERY_PIXEL, KEY, PROJECT, region
from tests.support.label_configs import IMAGE, config, labels
from tests.support.logs import warnings_of
from tests.support.recorded import recorded_body

SIZE = {"original_width": 64, "original_height": 48}
(POINT, BOX) = (
    one | SIZE
    for one in recorded_body("webhook_ui_update_with_prompt_regions")["annotation"]["result"]
    if one["type"] in ("keypointlabels", "rectanglelabels")
)
OF_LABELS = config(
    IMAGE,
    f'<Labels name="tag" toName="image">{labels("Cat", "Dog")}</Labels>',
    '<Brush name="brush" toName="image"/><KeyPoint name="kp" toName="image" smart="true"/>',
)


@pytest.fixture
def show(service, photo_uri):
    """The regions shown for task 5, by label: each pixel is Cat or Dog."""

    def show(label_config=CONFIG):
        tasks = [{"id": 5, "data": {"image": photo_uri}}]
        (item,) = service.annotator.predict(tasks, label_config, EVERY_PIXEL, project_id=KEY)
        return [one | {"origin": "prediction"} for one in item["result"]]

    return show


@pytest.fixture
def lesson(learner):
    """The lesson of annotation 1; None if it taught nothing."""

    def read():
        refs = learner.lessons.index(KEY).annotations["1"].lessons
        return learner.lessons.lessons(KEY, refs)[refs[0].digest] if refs else None

    return read


def says_that_something_is_gone(lesson) -> bool:
    return bool((lesson.owners < 0).any() or (lesson.pixels.sample_owners < 0).any())


@pytest.mark.parametrize("point", [POINT, {k: v for k, v in POINT.items() if k != "is_positive"}])
def test_a_label_with_a_positive_key_point_is_not_gone(send, show, corrected, lesson, point):
    cat, _ = show()
    send(corrected(result=[cat, point], parent_prediction=3))
    assert lesson().labels == ("Cat",)
    assert not says_that_something_is_gone(lesson())


def test_a_label_with_a_negative_key_point_alone_is_gone(send, show, corrected, lesson):
    cat, _ = show()
    send(corrected(result=[cat, POINT | {"is_positive": False}], parent_prediction=3))
    assert says_that_something_is_gone(lesson())
    assert lesson().was_wrong[lesson().owners < 0].all()


def test_a_smart_rectangle_teaches_weakly_that_its_label_is_there(send, show, corrected, lesson):
    cat, _ = show()
    send(corrected(result=[cat, BOX], parent_prediction=3))
    assert lesson().labels == ("Cat", "Dog")


def test_key_points_alone_teach_nothing(send, show, corrected, lesson, learner):
    send(corrected(result=[POINT], parent_prediction=3))  # whatever was shown is not known
    assert lesson() is None
    show()
    cat_point = POINT | {"value": POINT["value"] | {"labels": ["c"], "keypointlabels": ["c"]}}
    send(corrected(result=[POINT, cat_point], parent_prediction=3, second=1))
    assert lesson() is None


def test_beside_a_key_point_other_labels_can_still_be_gone(send, show, corrected, lesson):
    cat, _ = show()
    send(corrected(result=[POINT], parent_prediction=3))
    assert lesson().labels == ()
    assert says_that_something_is_gone(lesson())
    share = decode_mask(cat["value"]["rle"], height_px=48, width_px=64).mean()
    assert lesson().pixels.sample_masses.sum() == pytest.approx(share, abs=0.02)


def test_a_key_point_beside_labels_is_no_damaged_region(
    send, show, corrected, lesson, mask, caplog
):
    show(OF_LABELS)
    drawn = region("c", mask)
    drawn |= {"type": "labels", "value": drawn["value"] | {"labels": ["Cat"]}}
    del drawn["value"]["brushlabels"]
    point = POINT | {"type": "labels", "from_name": "tag"}
    point["value"] = {key: POINT["value"][key] for key in ("x", "y", "width", "labels")}
    event = corrected(result=[drawn, point], parent_prediction=3)
    send(event | {"project": PROJECT | {"label_config": OF_LABELS}})
    assert lesson().labels == ("Cat",)
    assert warnings_of(caplog) == []

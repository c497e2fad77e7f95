"""Rectangles and ellipses that stand for masks are not learned from, which is said once."""

from tests.support.annotations import PROJECT, rectangle, taught
from tests.support.label_configs import CAT_DOG, IMAGE, brush_labels, config
from tests.support.logs import warnings_of

BOXES = f'<RectangleLabels name="rect" toName="image">{CAT_DOG}</RectangleLabels>'


def of_config(event, *tags: str):
    return event | {"project": PROJECT | {"label_config": config(IMAGE, *tags)}}


def test_boxes_are_not_learned_from_and_that_is_said_once(learner, send, corrected, caplog):
    for annotation in (1, 2):
        send(of_config(corrected(annotation, result=[rectangle("Dog", 50)]), BOXES))
    assert taught(learner) == []
    assert learner.counts["set_aside"] == 0
    (line,) = warnings_of(caplog)
    assert 'nothing is learned from the rectangles or ellipses of "rect"' in line


def test_boxes_beside_a_brush_still_count_weakly(learner, send, corrected):
    send(of_config(corrected(result=[rectangle("Dog", 50)]), BOXES, brush_labels()))
    assert taught(learner) == ["1"]

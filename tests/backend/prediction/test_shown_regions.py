"""Which regions a prediction shows, by size, score and part; of a segmentation by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.shown_regions import shown_regions
from model import Segmentation
from model.scoring.expected_iou import RegionEvidence
from tests.support.label_configs import CAT_DOG, brush_labels, only_control

CONTROL = only_control(brush_labels())
BOXES = only_control(f'<RectangleLabels name="box" toName="image">{CAT_DOG}</RectangleLabels>')


@pytest.fixture
def found() -> Segmentation:
    """Cats: a large one that the evidence is for, a small one that it is against. One dog."""
    label_map = np.full((80, 160), -1, np.int16)
    label_map[10:50, 10:60] = label_map[60:70, 100:110] = 0
    label_map[10:50, 110:150] = 1
    probs = torch.full((3, 8, 16), 0.02)
    probs[0, 1:5, 1:6], probs[1, 1:5, 11:15] = 0.96, 0.96
    probs[2] = 1 - probs[0] - probs[1]
    tokens = torch.eye(3)[probs.argmax(dim=0)].permute(2, 0, 1)
    evidence = RegionEvidence(probs, tokens, torch.zeros(3, dtype=torch.bool))
    return Segmentation(("Cat", "Dog"), label_map, np.array([0.8, 0.4], np.float32), evidence)


def shown(found, control=CONTROL, **settings):
    return list(shown_regions(found, control, control.labels, ProjectSettings(**settings)))


def test_a_label_is_one_region_unless_the_project_asks_for_parts(found):
    assert [(one.label_index, one.part, one.score) for one in shown(found)] == [
        (0, "", pytest.approx(0.8)),
        (1, "", pytest.approx(0.4)),
    ]
    large, small, dog = shown(found, regions="part", min_score=0.0)
    assert [one.label_index for one in (large, small, dog)] == [0, 0, 1]
    assert np.array_equal(large.mask | small.mask, found.mask(0))
    assert len({large.part, small.part}) == 2


def test_parts_have_scores_of_their_own_by_which_they_are_left_out(found):
    large, small, _ = shown(found, regions="part", min_score=0.0)
    assert small.score < 0.3 < large.score
    assert [one.label_index for one in shown(found, regions="part", min_score=0.3)] == [0, 1]


def test_parts_below_the_projects_size_are_left_out(found):
    assert len(shown(found, regions="part", min_score=0.0, min_region_px=101)) == 2


def test_boxes_are_of_parts_whatever_the_project_says(found):
    assert len(shown(found, BOXES, min_score=0.0)) == 3


def test_the_threshold_is_the_labels_else_the_controls_else_the_projects(found):
    assert len(shown(found, min_score=0.5)) == 1
    lenient = only_control(brush_labels(attributes='model_score_threshold="0"'))
    assert len(shown(found, lenient, min_score=0.5)) == 2
    text = '<Label value="Cat" model_score_threshold="0.9"/><Label value="Dog"/>'
    strict_on_cats = only_control(brush_labels(text, attributes='model_score_threshold="0.1"'))
    assert [one.label_index for one in shown(found, strict_on_cats, min_score=0.5)] == [1]


def test_a_label_without_evidence_has_parts_that_nobody_would_expect(found):
    assert shown(replace(found, evidence=None), regions="part") == []

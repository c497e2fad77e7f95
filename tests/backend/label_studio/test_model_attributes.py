"""model_skip and model_score_threshold mean what they mean to Label Studio's own backends."""

import pytest

from backend.errors import LabelConfigError
from backend.label_studio.controls import read_controls
from tests.support.label_configs import IMAGE, brush_labels, config, only_control


@pytest.mark.parametrize("yes", ["true", "True", "1", "yes", " true "])
def test_a_control_with_model_skip_is_left_out(yes):
    skipped = brush_labels(attributes=f'model_skip="{yes}"', name="people")
    assert [c.from_name for c in read_controls(config(IMAGE, skipped, brush_labels()))] == ["tag"]


@pytest.mark.parametrize("no", ["false", "0", "no", ""])
def test_model_skip_may_be_switched_off(no):
    assert only_control(brush_labels(attributes=f'model_skip="{no}"')).from_name == "tag"


def test_a_config_whose_controls_are_all_left_out_says_so():
    with pytest.raises(
        LabelConfigError, match=r'<BrushLabels name="tag">.* left to people by model'
    ):
        read_controls(config(IMAGE, brush_labels(attributes='model_skip="true"')))


@pytest.mark.parametrize(
    ("given", "score"), [("0.5", 0.5), ("1", 1.0), ("", None), ("0", 0.0), (" .25 ", 0.25)]
)
def test_the_threshold_of_a_control_is_a_share(given, score):
    control = only_control(brush_labels(attributes=f'model_score_threshold="{given}"'))
    assert control.min_score == score
    assert only_control(brush_labels()).min_score is None


@pytest.mark.parametrize("wrong", ["high", "50", "-0.1", "nan", "inf", "0,5"])
def test_a_threshold_that_is_no_share_is_refused(wrong):
    text = config(IMAGE, brush_labels(attributes=f'model_score_threshold="{wrong}"'))
    with pytest.raises(LabelConfigError, match=f'"{wrong}" of <BrushLabels name="tag"> must be a'):
        read_controls(text)


def test_a_label_may_have_a_threshold_of_its_own():
    text = '<Label value="Cat" model_score_threshold="0.7"/><Label value="Dog"/>'
    cat, dog = only_control(brush_labels(text)).labels
    assert (cat.min_score, dog.min_score) == (0.7, None)


def test_a_threshold_of_a_label_that_is_no_share_is_refused():
    text = config(IMAGE, brush_labels('<Label value="Cat" model_score_threshold="high"/>'))
    with pytest.raises(LabelConfigError, match='"high" of <Label value="Cat"> must be a number'):
        read_controls(text)


@pytest.mark.parametrize("wrong", ["maybe", "on"])
def test_a_model_skip_that_is_neither_is_refused(wrong):
    with pytest.raises(LabelConfigError, match=f'model_skip="{wrong}".* must be "true" or "false"'):
        read_controls(config(IMAGE, brush_labels(attributes=f'model_skip="{wrong}"')))

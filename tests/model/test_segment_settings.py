"""What a project may choose, and the method that results."""

from dataclasses import replace

import pytest
from pydantic import TypeAdapter, ValidationError

from model import METHODS, Automatic, LogitScale, MethodError, SegmentSettings, Share


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (SegmentSettings(3), "Unknown method '3'.*firstpass"),
        (SegmentSettings("magic"), "Unknown method 'magic'.*firstpass"),
        (SegmentSettings(refiner="magic"), "Unknown refiner 'magic'.*none"),
        (SegmentSettings(templates="magic"), "Unknown template set 'magic'.*imagenet80"),
        (SegmentSettings(synonym_reduction="magic"), "Unknown synonym reduction.*max, mean"),
        (SegmentSettings(logit_scale=-1.0), 'logit_scale is -1.0.*from 1 to 1000 or "auto"'),
        (SegmentSettings(prob_threshold="high"), "prob_threshold is 'high'"),
        (SegmentSettings(description_weight=2.0), "description_weight is 2.0.*from 0 to 1[.]"),
        (SegmentSettings(area_threshold=True), "area_threshold is True"),
        (SegmentSettings(area_threshold=float("nan")), "area_threshold is nan"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings, says):
    with pytest.raises(MethodError, match=says):
        settings.resolve()


def test_a_domain_gives_its_words_to_the_negatives_too():
    def negatives(templates):
        return SegmentSettings(templates=templates).resolve().decision.prompts.negative_templates

    assert negatives("aerial") == "aerial"
    assert negatives("imagenet80") == "imagenet7"


def test_nothing_chosen_is_the_preset():
    for name, preset in METHODS.items():
        assert SegmentSettings(name).resolve() == preset


def test_choices_change_the_decision_and_nothing_else():
    chosen = SegmentSettings(
        "naclip", "crf", "street", 30, 0.2, 0.1, description_weight=0.5, synonym_reduction="mean"
    ).resolve()
    assert replace(chosen, decision=METHODS["naclip"].decision) == METHODS["naclip"]
    decision = chosen.decision
    assert (decision.refiner, decision.prompts.templates) == ("crf", "street")
    assert (decision.logits.logit_scale, decision.thresholds.prob) == (30.0, 0.2)
    assert (decision.thresholds.area, decision.prompts.description_weight) == (0.1, 0.5)
    assert decision.prompts.synonym_reduction == "mean"


def test_auto_is_left_to_the_image():
    decision = SegmentSettings(logit_scale="auto", prob_threshold="auto").resolve().decision
    assert decision.logits.logit_scale is None
    assert decision.thresholds.prob is None
    assert decision.thresholds.area == 0.0  # not chosen: the preset's


def test_a_method_of_ones_own_gets_the_settings_too():
    own = replace(METHODS["firstpass"], name="mine")
    resolved = SegmentSettings(own, refiner="none").resolve()
    decision = replace(own.decision, refiner="none", taught_refiners=())
    assert resolved == replace(own, decision=decision)


def test_a_chosen_refiner_is_used_whatever_lessons_keep_and_otherwise_they_choose():
    preset, chosen = (SegmentSettings(refiner=name).resolve().decision for name in (None, "crf"))
    thin = {"crf": 0.6, "guided": 0.7, "guided_fine": 0.8}
    assert {chosen.taught_refiner(kept, 0.9) for kept in ({}, thin)} == {"crf"}
    assert preset.taught_refiner(thin, 0.9) == "none"
    kept = [{"crf": crf, "guided": 0.8, "guided_fine": 0.95} for crf in (0.8, 0.7)]
    assert [preset.taught_refiner(one, 0.9) for one in kept] == ["crf", "guided"]
    assert preset.taught_refiner(thin | {"guided_fine": 0.95}, 0.9) == "guided_fine"


def test_lessons_of_a_former_release_choose_by_what_pixels_decide():
    preset = SegmentSettings().resolve().decision
    names = [preset.taught_refiner({}, share) for share in (0.0, 0.1, 0.9)]
    assert names == [preset.refiner, "guided", "guided_fine"]


@pytest.mark.parametrize(
    ("choice", "good", "bad"),
    [
        (LogitScale, (1, 40.0, 1000), (0.9, 1001, True, "40", float("inf"))),
        (Share, (0, 0.5, 1.0), (-0.1, 1.1, False, "auto")),
        (Share | Automatic, (0.5, "auto"), ("automatic", 2)),
    ],
)
def test_a_service_can_validate_the_same_choices(choice, good, bad):
    adapter = TypeAdapter(choice)
    for value in good:
        assert adapter.validate_python(value) == value
    for value in bad:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)

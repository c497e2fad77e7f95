"""What a search for settings tries: all that extra params can say, and nothing that is in vain."""

import pytest

from backend.evaluation.candidates import METHOD_ORDER, VALUES, steps_for
from backend.label_studio.controls import read_controls
from backend.label_studio.project_settings import ProjectSettings
from model import METHODS
from tests.support.label_configs import IMAGE, brush_labels, config, labels


def names_of(*label_texts: str, today: ProjectSettings = ProjectSettings(), **more: bool):  # noqa: B008
    controls = read_controls(config(IMAGE, brush_labels("".join(label_texts))))
    return [step.name for step in steps_for(controls, today, **{"keeps_method": False, **more})]


def test_every_method_is_tried():
    assert sorted(METHOD_ORDER) == sorted(METHODS)


@pytest.mark.parametrize("name", VALUES)
def test_every_value_can_be_said_by_extra_params(name):
    for value in VALUES[name]:
        settings, ignored = ProjectSettings.from_extra_params({name: value})
        assert not ignored
        assert value is None or getattr(settings, name) == value


def test_steps_that_cannot_change_anything_are_left_out():
    plain = names_of(labels("Cat", "Dog"))
    assert plain[0] == "method"
    assert not {"synonyms", "synonym_reduction", "description_weight"} & set(plain)
    assert "description_weight" in names_of('<Label value="Cat" hint="a pet"/>')
    assert "synonym_reduction" in names_of('<Label value="Cat" predicted_values="kitten"/>')
    described = ProjectSettings(descriptions={"Cat": "a pet"}, synonyms={"Cat": ("kitten",)})
    found = names_of(labels("Cat"), today=described)
    assert {"description_weight", "synonym_reduction"} <= set(found)
    assert "method" not in names_of(labels("Cat"), keeps_method=True)


def test_words_of_the_lists_are_synonyms_for_labels_that_have_none():
    controls = read_controls(config(IMAGE, brush_labels(labels("Sky", "Tree", "Cat"))))
    today = ProjectSettings(synonyms={"Cat": ("kitten",)})
    (step,) = [
        one for one in steps_for(controls, today, keeps_method=False) if one.name == "synonyms"
    ]
    found = dict(step.variants(today))
    every = "synonyms of word lists"
    assert list(found) == [every, f"{every} for Sky", f"{every} for Tree"]
    assert found["synonyms of word lists for Sky"].synonyms == {
        "Cat": ("kitten",),
        "Sky": ("cloud", "heaven"),
    }
    taken = ProjectSettings(synonyms={"Sky": ("blue",), "Tree": ("oak",)})
    assert list(step.variants(taken)) == []

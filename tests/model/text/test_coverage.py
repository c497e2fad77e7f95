"""Which labels leave nothing to the background."""

import pytest

from model.text.coverage import cover_the_scene, head_noun, surface_index
from model.text.vocabulary import (
    ClassPrompt,
    Vocabulary,
    are_on_a_surface,
    background_index,
    clean_name,
)


def texts(names):
    return [(clean_name(name),) for name in names]


@pytest.mark.parametrize(
    "names",
    [
        ["sky", "building", "pole", "road", "sidewalk", "tree", "car"],
        ["Water", "Bare_land", "Roads", "Buildings"],
        ["clear sky", "Clouds"],
    ],
)
def test_labels_of_most_of_a_scene_cover_it(names):
    assert cover_the_scene(texts(names))


@pytest.mark.parametrize(
    "names",
    [
        ["dog", "potted plant", "dining table", "parking meter", "bench"],
        ["sky", "road", "tree"],  # no building
        ["sky"],
        ["crop", "weed"],
        [],
    ],
)
def test_labels_of_things_or_of_some_of_a_scene_do_not(names):
    assert not cover_the_scene(texts(names))


@pytest.mark.parametrize(
    ("names", "surface"),
    [
        (["Skin", "Skin_lesion"], 0),
        (["blood vessels", "retina"], 1),
        (["steel surface", "inclusion", "patches", "scratches"], 0),
        (["Crop", "Weed", "Soil"], 2),
    ],
)
def test_a_surface_with_findings_on_it_is_found(names, surface):
    assert surface_index(texts(names)) == surface


@pytest.mark.parametrize(
    "names",
    [
        ["skin", "hair", "nose", "cloth"],  # parts of a person, who stands somewhere
        ["crack", "scratch"],
        ["wood", "metal", "crack"],  # which of them?
        ["skin"],
    ],
)
def test_a_material_among_other_things_is_no_surface_of_theirs(names):
    assert surface_index(texts(names)) is None


def test_a_synonym_names_the_surface_as_well():
    assert surface_index([("haut", "skin"), ("leberfleck", "mole")]) == 0


def test_the_surface_is_what_is_in_no_other_class():
    assert background_index(Vocabulary.of(["Skin", "Lesion"])) == 0
    assert background_index(Vocabulary.of(["Lesion", "Other", "Skin"])) == 1  # said by name


def test_a_surface_that_is_said_to_be_a_thing_stays_one():
    classes = (ClassPrompt("Skin", is_background=False), ClassPrompt("Lesion"))
    assert background_index(Vocabulary(classes)) == 2


@pytest.mark.parametrize(
    "names",
    [
        ["skin", "skin lesion"],
        ["Scratches", "steel surface", "patches"],
        ["crack"],
        ["crop", "weed"],
        ["blowhole", "break", "uneven"],
        ["Background", "dent", "hole"],
    ],
)
def test_findings_are_on_a_surface_whether_a_label_names_it_or_not(names):
    assert are_on_a_surface(Vocabulary.of(names))


@pytest.mark.parametrize(
    "names",
    [
        ["hole"],  # of golf, in a shoe
        ["plant", "vessel"],
        ["dog", "crack"],
        ["skin"],
        ["background"],
        [],
    ],
)
def test_other_labels_are_not(names):
    assert not are_on_a_surface(Vocabulary.of(names))


def test_a_surface_that_is_said_to_be_a_thing_has_no_findings_on_it():
    classes = (ClassPrompt("Skin", is_background=False), ClassPrompt("Lesion"))
    assert not are_on_a_surface(Vocabulary(classes))


@pytest.mark.parametrize(
    ("text", "noun"),
    [("blood vessels", "vessel"), ("scratches", "scratch"), ("grass", "grass"), ("", ""),
     ("bus", "bus"), ("steel surface", "surface"), ("sky", "sky")],
)  # fmt: skip
def test_the_head_noun_is_the_last_word_in_the_singular(text, noun):
    assert head_noun(text) == noun

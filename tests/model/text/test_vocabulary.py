"""Labels as words, and the texts that classes are asked for by."""

import pytest

from model.text.vocabulary import (
    ClassPrompt,
    Vocabulary,
    background_index,
    class_index_by_name,
    clean_name,
    is_read_well,
    prompt_rows,
)


@pytest.mark.parametrize(
    ("label", "word"),
    [
        ("Traffic_Light", "traffic light"),
        ("TrafficLight", "traffic light"),
        ("road-sign/red", "road sign red"),
        ("  Cat ", "cat"),
        ("Straße", "strasse"),
        ("猫", "猫"),
        ("🐈", "🐈"),
        ("__", "__"),
    ],
)
def test_labels_become_words(label, word):
    assert clean_name(label) == word


@pytest.mark.parametrize("name", ["background", "Background", "OTHER", "void", "None_of_the_above"])
def test_names_that_mean_background_are_recognized(name):
    assert background_index(Vocabulary.of(["cat", name])) == 1


def test_a_label_may_say_itself_whether_it_is_background():
    said = Vocabulary(
        (ClassPrompt("other", is_background=False), ClassPrompt("sky", is_background=True))
    )
    assert background_index(said) == 1
    assert background_index(Vocabulary.of(["cat", "dog"])) == 2


def test_each_text_is_asked_once_and_names_go_before_synonyms():
    vocabulary = Vocabulary(
        (ClassPrompt("car", synonyms=("auto", "truck", "")), ClassPrompt("Truck")),
        background=("road", "auto"),
    )
    rows = prompt_rows(vocabulary)
    assert dict(zip(rows.texts, rows.class_index, strict=True)) == {
        "car": 0, "truck": 1, "auto": 0, "road": 2,
    }  # fmt: skip


def test_two_labels_of_one_name_share_a_row():
    rows = prompt_rows(Vocabulary.of(["cat", "Cat", "dog"]))
    assert (rows.texts, rows.class_index) == (("cat", "dog"), (0, 2))


def test_background_words_belong_to_the_background_class_where_there_is_one():
    vocabulary = Vocabulary(Vocabulary.of(["background", "cat"]).classes, background=("sky",))
    rows = prompt_rows(vocabulary)
    assert dict(zip(rows.texts, rows.class_index, strict=True))["sky"] == 0


def test_the_first_of_equal_names_has_the_index_and_the_empty_name_is_the_background():
    assert class_index_by_name(Vocabulary.of(["cat", "dog", "cat"])) == {"cat": 0, "dog": 1, "": 3}
    assert class_index_by_name(Vocabulary.of(["cat", "void"])) == {"cat": 0, "void": 1, "": 1}


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        (ClassPrompt("猫", description="a small cat"), ["a small cat"]),
        (ClassPrompt("猫", ("cat", "kitten"), "furry"), ["cat", "kitten"]),
        (ClassPrompt("Bäume", ("trees",)), ["trees"]),
        (ClassPrompt("猫"), ["猫"]),
        (ClassPrompt("cat", ("kitten",), "furry"), ["cat", "kitten"]),
    ],
)
def test_a_name_that_clip_hardly_reads_makes_way_for_english_words(prompt, asked):
    assert list(prompt_rows(Vocabulary((prompt,))).texts) == asked


def test_letters_other_than_those_of_english_are_read_badly():
    assert all(map(is_read_well, ("cat", "Traffic_Light", "cat – no. 3", "")))
    assert not any(map(is_read_well, ("猫", "кот", "Bäume", "قطة")))

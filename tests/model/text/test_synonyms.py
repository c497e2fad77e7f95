"""Synonyms from the lists of related words."""

from model.text.synonyms import synonyms_from_word_lists


def test_words_related_to_two_labels_are_of_neither():
    found = synonyms_from_word_lists(["Mountain", "Rock"])
    assert found == {
        "Mountain": ("hill", "terrain"),
        "Rock": ("boulder", "mineral", "pebble", "stone"),
    }


def test_a_label_is_no_synonym_of_another_one_nor_a_part_of_its_own():
    found = synonyms_from_word_lists(["steel surface", "iron"])
    assert "steel surface" not in found  # aluminium and metal are related to iron as well
    assert found == {}
    assert synonyms_from_word_lists(["steel surface"]) == {
        "steel surface": ("aluminium", "iron", "metal")
    }


def test_labels_of_no_list_and_those_of_the_background_get_none():
    assert synonyms_from_word_lists(["Scratch", "Other", "background"]) == {}

"""Everyday words for the background, none of them related to a label."""

import pytest
from toy_encoder import ToyEncoder

from model.text.negatives import related_words, select_negatives
from model.text.vocabulary import clean_name
from model.text.words import EVERYDAY_WORDS


def test_negatives_are_related_to_no_label_by_name_or_embed():
    encoder = ToyEncoder(["lawnmower", "fence"])  # one embed
    labels = ("lawnmower", "Wooden_Floor")
    is_negative = select_negatives(EVERYDAY_WORDS, encoder(EVERYDAY_WORDS), labels, encoder(labels))
    chosen = {word for word, one in zip(EVERYDAY_WORDS, is_negative, strict=True) if one}
    assert {"fence", "floor", "carpet"}.isdisjoint(chosen)
    assert {"sky", "grass"} & chosen
    assert len(chosen) > len(EVERYDAY_WORDS) / 3


@pytest.mark.parametrize(
    ("label", "related", "other"),
    [
        ("Roads", "sidewalk", "grass"),  # a plural
        ("facade", "window", "fence"),  # the whole of a part
        ("traffic light", "lamp", "glass"),
        ("glass", "mirror", "gla"),
        ("猫", "猫", "sky"),
    ],
)
def test_related_words_are_those_of_one_line(label, related, other):
    found = related_words([label])
    assert related in found
    assert other not in found


def test_everyday_words_are_clean_and_distinct():
    assert [clean_name(word) for word in EVERYDAY_WORDS] == list(EVERYDAY_WORDS)
    assert len(set(EVERYDAY_WORDS)) == len(EVERYDAY_WORDS)

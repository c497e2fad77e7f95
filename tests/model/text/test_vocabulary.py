"""Words: what is asked of an image, and what is none of it."""

import pytest
import torch

from model.methods import METHODS, MethodConfig
from model.text.templates import TEMPLATES
from model.text.vocabulary import (
    ClassPrompt,
    Vocabulary,
    background_class,
    clean_name,
    embed_vocabulary,
    kin_by_name,
    kin_free,
    prompt_rows,
)
from model.text.words import EVERYDAY_WORDS

METHOD = METHODS["firstpass"]


class ToyEncoder:
    """Random unit embeds by text, but one meaning for the words of a group."""

    embed_dim = 16
    fingerprint = "toy"

    def __init__(self, *groups):
        self.meaning = {word: group[0] for group in groups for word in group}
        self.asked = []

    def __call__(self, texts, templates="imagenet80"):
        self.asked.append((tuple(texts), templates))
        embeds = []
        for text in texts:
            seed = hash_text(self.meaning.get(text, text))
            embeds.append(torch.randn(16, generator=torch.Generator().manual_seed(seed)))
        stacked = torch.stack(embeds) if embeds else torch.zeros(0, 16)
        return torch.nn.functional.normalize(stacked, dim=-1)


def hash_text(text):
    return sum(byte * 257**place for place, byte in enumerate(text.encode())) % 2**31


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
def test_names_that_mean_background_are_recognised(name):
    assert background_class(Vocabulary.of(["cat", name])) == 1


def test_a_label_may_say_itself_whether_it_is_background():
    said = Vocabulary(
        (ClassPrompt("other", is_background=False), ClassPrompt("sky", is_background=True))
    )
    assert background_class(said) == 1
    assert background_class(Vocabulary.of(["cat", "dog"])) is None


def test_each_text_is_asked_once_and_names_go_before_synonyms():
    vocabulary = Vocabulary(
        (ClassPrompt("car", synonyms=("auto", "truck", "")), ClassPrompt("Truck")),
        background=("road", "auto"),
    )
    rows = prompt_rows(vocabulary)
    assert dict(zip(rows.texts, rows.owners, strict=True)) == {
        "car": 0, "truck": 1, "auto": 0, "road": 2,
    }  # fmt: skip


def test_two_labels_of_one_name_share_a_row():
    rows = prompt_rows(Vocabulary.of(["cat", "Cat", "dog"]))
    assert (rows.texts, rows.owners) == (("cat", "dog"), (0, 2))


def test_background_words_belong_to_the_background_class_where_there_is_one():
    vocabulary = Vocabulary(Vocabulary.of(["background", "cat"]).classes, background=("sky",))
    rows = prompt_rows(vocabulary)
    assert dict(zip(rows.texts, rows.owners, strict=True))["sky"] == 0


def test_negatives_are_kin_to_no_label_by_name_or_meaning():
    encoder = ToyEncoder(["lawnmower", "fence"])  # one meaning, as far as this encoder knows
    labels = ("lawnmower", "Wooden_Floor")
    chosen = kin_free(EVERYDAY_WORDS, encoder(EVERYDAY_WORDS), labels, encoder(labels))
    assert {"fence", "floor", "carpet"}.isdisjoint(chosen)
    assert {"sky", "grass"} & set(chosen)
    assert len(chosen) > len(EVERYDAY_WORDS) / 3


@pytest.mark.parametrize(
    ("label", "kin", "stranger"),
    [
        ("Roads", "sidewalk", "grass"),  # a plural
        ("facade", "window", "fence"),  # the whole of a part
        ("traffic light", "lamp", "glass"),
        ("glass", "mirror", "gla"),
        ("猫", "猫", "sky"),
    ],
)
def test_kin_is_named_by_the_bank(label, kin, stranger):
    named = kin_by_name([label])
    assert kin in named
    assert stranger not in named


def test_negatives_are_none_of_the_classes_and_can_be_left_out():
    encoder = ToyEncoder()
    side = embed_vocabulary(Vocabulary.of(["cat", "dog"]), encoder, METHOD)
    assert side.owners[:2].tolist() == [0, 1]
    assert len(side.owners) > 20
    assert set(side.owners[2:].tolist()) == {2}
    bare = Vocabulary(Vocabulary.of(["cat", "dog"]).classes, auto_negatives=False)
    assert embed_vocabulary(bare, encoder, METHOD).owners.tolist() == [0, 1]


def test_the_many_negatives_are_asked_with_few_templates():
    encoder = ToyEncoder()
    embed_vocabulary(Vocabulary.of(["cat"]), encoder, METHOD)
    prompts = sum(len(texts) * len(TEMPLATES[templates]) for texts, templates in encoder.asked)
    assert prompts < 3000


def test_a_description_moves_its_class_by_its_weight():
    encoder = ToyEncoder()
    described = Vocabulary(
        (ClassPrompt("scratch", description="thin bright line"), ClassPrompt("dent")),
        auto_negatives=False,
    )
    method = MethodConfig("test", description_weight=0.25)
    embeds = embed_vocabulary(described, encoder, method).embeds
    scratch, dent, line = encoder(["scratch", "dent", "thin bright line"])
    expected = torch.nn.functional.normalize(0.75 * scratch + 0.25 * line, dim=0)
    torch.testing.assert_close(embeds, torch.stack([expected, dent]))


def test_synonyms_can_be_averaged_into_one_row():
    encoder = ToyEncoder()
    vocabulary = Vocabulary(
        (ClassPrompt("car", ("auto",)), ClassPrompt("tree")), ("sky",), auto_negatives=False
    )
    side = embed_vocabulary(vocabulary, encoder, MethodConfig("test", synonym_reduction="mean"))
    assert side.owners.tolist() == [0, 1, 2]
    car, auto = encoder(["car", "auto"])
    torch.testing.assert_close(
        side.embeds[0], torch.nn.functional.normalize((car + auto) / 2, dim=0)
    )


def test_an_empty_vocabulary_asks_for_nothing():
    encoder = ToyEncoder()
    assert len(embed_vocabulary(Vocabulary(()), encoder, METHOD).embeds) == 0


def test_all_template_sets_have_one_place_for_the_word():
    assert len(TEMPLATES["imagenet80"]) == len(set(TEMPLATES["imagenet80"])) == 80
    for templates in TEMPLATES.values():
        for template in templates:
            assert template.count("{}") == 1


def test_everyday_words_are_clean_and_distinct():
    assert [clean_name(word) for word in EVERYDAY_WORDS] == list(EVERYDAY_WORDS)
    assert len(set(EVERYDAY_WORDS)) == len(EVERYDAY_WORDS)

"""Embeds of a vocabulary: rows, negatives, descriptions, synonyms."""

import torch
from toy_encoder import ToyEncoder

from model.text.class_embeds import (
    PromptConfig,
    embed_vocabulary,
    texts_of,
    wants_negatives,
)
from model.text.templates import TEMPLATES
from model.text.vocabulary import ClassPrompt, Vocabulary

CONFIG = PromptConfig()


def test_negatives_are_background_and_can_be_left_out():
    encoder = ToyEncoder()
    text = embed_vocabulary(Vocabulary.of(["cat", "dog"]), encoder, CONFIG)
    assert text.class_index[:2].tolist() == [0, 1]
    assert len(text.class_index) > 20
    assert set(text.class_index[2:].tolist()) == {2}
    bare = Vocabulary(Vocabulary.of(["cat", "dog"]).classes, auto_negatives=False)
    assert embed_vocabulary(bare, encoder, CONFIG).class_index.tolist() == [0, 1]


def test_the_many_negatives_are_asked_with_few_templates():
    encoder = ToyEncoder()
    embed_vocabulary(Vocabulary.of(["cat"]), encoder, CONFIG)
    prompts = sum(len(texts) * len(TEMPLATES[templates]) for texts, templates in encoder.asked)
    assert prompts < 3000


def test_a_description_moves_its_class_by_its_weight():
    encoder = ToyEncoder()
    described = Vocabulary(
        (ClassPrompt("scratch", description="thin bright line"), ClassPrompt("dent")),
        auto_negatives=False,
    )
    config = PromptConfig(description_weight=0.25)
    embeds = embed_vocabulary(described, encoder, config).embeds
    scratch, dent, line = encoder(["scratch", "dent", "thin bright line"])
    expected = torch.nn.functional.normalize(0.75 * scratch + 0.25 * line, dim=0)
    torch.testing.assert_close(embeds, torch.stack([expected, dent]))


def test_synonyms_can_be_averaged_into_one_row():
    encoder = ToyEncoder()
    vocabulary = Vocabulary(
        (ClassPrompt("car", ("auto",)), ClassPrompt("tree")), ("sky",), auto_negatives=False
    )
    text = embed_vocabulary(vocabulary, encoder, PromptConfig(synonym_reduction="mean"))
    assert text.class_index.tolist() == [0, 1, 2]
    car, auto = encoder(["car", "auto"])
    torch.testing.assert_close(
        text.embeds[0], torch.nn.functional.normalize((car + auto) / 2, dim=0)
    )


def test_an_empty_vocabulary_asks_for_nothing():
    encoder = ToyEncoder()
    assert len(embed_vocabulary(Vocabulary(()), encoder, CONFIG).embeds) == 0


def test_labels_that_cover_the_scene_get_no_negatives():
    names = ["sky", "building", "road", "tree"]
    encoder = ToyEncoder()
    assert not wants_negatives(Vocabulary.of(names))
    embeds = embed_vocabulary(Vocabulary.of(names), encoder, PromptConfig())
    assert embeds.class_index.tolist() == [0, 1, 2, 3]
    asked = [texts for _, texts in texts_of(Vocabulary.of(names), PromptConfig())]
    assert not {"lamp"} & {text for texts in asked for text in texts}


def test_negatives_are_the_surface_s_where_all_labels_are_on_it():
    embeds = embed_vocabulary(Vocabulary.of(["lesion", "skin"]), ToyEncoder(), PromptConfig())
    assert embeds.class_index[:2].tolist() == [0, 1]
    assert (embeds.class_index[2:] == 1).all()
    assert len(embeds.class_index) > 10
    assert embeds.is_label.tolist() == (embeds.class_index == 0).tolist()

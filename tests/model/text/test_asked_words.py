"""The words of a vocabulary, as they are asked for."""

from toy_encoder import ToyEncoder

from model.text.asked_words import asked_words
from model.text.class_embeds import PromptConfig, embed_vocabulary
from model.text.vocabulary import ClassPrompt, Vocabulary


def test_each_class_has_its_name_and_synonyms_as_they_are_put_into_templates():
    vocabulary = Vocabulary(
        (ClassPrompt("TrafficLight", ("signal",)), ClassPrompt("Car")), background=("road",)
    )
    found = asked_words(vocabulary, ToyEncoder(), PromptConfig())
    assert found.by_class == (("traffic light", "signal"), ("car",))
    assert found.background == ("road",)


def test_words_for_the_background_belong_to_the_label_that_means_it():
    vocabulary = Vocabulary((ClassPrompt("Car"), ClassPrompt("other")), background=("road",))
    found = asked_words(vocabulary, ToyEncoder(), PromptConfig())
    assert found.by_class == (("car",), ("other", "road"))
    assert found.background == ()


def test_the_negatives_are_those_of_the_decision():
    encode, config = ToyEncoder(), PromptConfig()
    for auto_negatives in (True, False):
        vocabulary = Vocabulary((ClassPrompt("tree"),), auto_negatives=auto_negatives)
        negatives = asked_words(vocabulary, encode, config).negatives
        embeds = embed_vocabulary(vocabulary, encode, config)
        assert len(negatives) == int((~embeds.is_label).sum())
        assert bool(negatives) == auto_negatives
        assert "forest" not in negatives

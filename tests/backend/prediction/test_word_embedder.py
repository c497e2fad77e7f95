"""Words are embedded in the background, a few at a time, for several vocabularies in turn."""

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.prediction.text_cache import CachedTextEncoder
from backend.prediction.word_embedder import WordEmbedder, WordsNotEmbedded, embedding_of
from model import TEMPLATES, ClassPrompt, ModelError, PromptConfig, Vocabulary
from model.text.class_embeds import embed_vocabulary
from tests.support.annotations import EVERY_PIXEL
from tests.support.counting_encoder import CountingEncoder
from tests.support.label_configs import IMAGE, brush_labels, config

PROMPTS = PromptConfig()
MANY = Vocabulary.of(f"label {number}" for number in range(60))
FEW = Vocabulary.of(["cat"])


class Gated(CountingEncoder):
    """Encodes nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()

    def __call__(self, texts, templates="imagenet80"):
        self.has_begun.set()
        assert self.may_go_on.wait(30)
        return super().__call__(texts, templates)


def test_what_was_waited_for_is_not_encoded_again(own_store):
    encoder = CountingEncoder()
    cached = CachedTextEncoder(encoder, own_store)
    WordEmbedder(cached).wait(MANY, PROMPTS, 30)
    calls = len(encoder.calls)
    assert calls > 10
    embed_vocabulary(MANY, cached, PROMPTS)
    assert len(encoder.calls) == calls


words = st.text(alphabet="abc -_ç", max_size=6)


@given(
    names=st.lists(st.tuples(words, words, words), max_size=5),
    background=st.lists(words, max_size=3),
    has_negatives=st.booleans(),
    weight=st.sampled_from([0.0, 0.2]),
)
def test_no_text_of_any_vocabulary_is_left_out(names, background, has_negatives, weight):
    vocabulary = Vocabulary(
        tuple(ClassPrompt(name, (synonym,), description) for name, synonym, description in names),
        tuple(background),
        has_negatives,
    )
    prompts = PromptConfig(description_weight=weight)
    encoder = CountingEncoder()
    embed_vocabulary(vocabulary, encoder, prompts)
    chunks = [*embedding_of(vocabulary, prompts).chunks]
    assert {text for texts in encoder.calls for text in texts} == {
        text for _, texts in chunks for text in texts
    }
    assert all(len(texts) * len(TEMPLATES[name]) <= 256 for name, texts in chunks)


def test_a_request_waits_no_longer_than_it_may_and_is_told_why():
    encoder = Gated()
    embedder = WordEmbedder(encoder)
    with pytest.raises(WordsNotEmbedded, match=r"0% of them are embedded.*ask for this task again"):
        embedder.wait(MANY, PROMPTS, 0.05)
    assert embedder.waiting() > 0
    encoder.may_go_on.set()
    embedder.wait(MANY, PROMPTS, 30)
    assert embedder.waiting() == 0


def test_a_small_vocabulary_does_not_wait_for_a_large_one():
    encoder = Gated()
    embedder = WordEmbedder(encoder)
    large, small = embedder.start(MANY, PROMPTS), embedder.start(FEW, PROMPTS)
    assert large is not None
    assert small is not None
    done_before: list[int] = []
    small.future.add_done_callback(lambda _: done_before.append(large.n_done))
    encoder.may_go_on.set()
    large.future.result(30)
    small.future.result(30)
    assert done_before[0] < large.n_texts / 2


def test_a_stop_leaves_what_is_not_embedded_yet():
    encoder = Gated()
    embedder = WordEmbedder(encoder)
    embedder.start(MANY, PROMPTS)
    assert encoder.has_begun.wait(30)
    assert not embedder.stop(0.05)
    encoder.may_go_on.set()
    assert embedder.stop(30)
    assert embedder.waiting() > 0


def test_one_vocabulary_is_embedded_once_however_many_wait(own_store):
    encoder = Gated()
    embedder = WordEmbedder(CachedTextEncoder(encoder, own_store))
    first, second = embedder.start(MANY, PROMPTS), embedder.start(MANY, PROMPTS)
    assert first is not None
    assert first is second
    encoder.may_go_on.set()
    first.future.result(30)
    assert embedder.start(MANY, PROMPTS) is None


def test_an_error_reaches_who_waits_and_the_next_one_tries_again():
    class FailsOnce(CountingEncoder):
        def __call__(self, texts, templates="imagenet80"):
            if not self.calls:
                self.calls.append([])
                raise ModelError("out of memory")
            return super().__call__(texts, templates)

    embedder = WordEmbedder(FailsOnce())
    with pytest.raises(ModelError, match="out of memory"):
        embedder.wait(FEW, PROMPTS, 30)
    embedder.wait(FEW, PROMPTS, 30)


def test_a_task_whose_words_take_too_long_is_asked_for_again(annotator, photo_uri):
    encoder = Gated()
    painter = replace(annotator.painter, words=WordEmbedder(encoder))
    late = replace(annotator, painter=painter, budget_s=0.2)
    (item,) = late.predict(
        [{"id": 1, "data": {"image": photo_uri}}],
        config(IMAGE, brush_labels('<Label value="Zebra"/>')),
        EVERY_PIXEL,
    )
    encoder.may_go_on.set()
    assert item["error"]["code"] == "overloaded"
    assert "embedded so far" in item["error"]["message"]

"""The text cache on a real store: known texts are not encoded again, the right embeds come out."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.prediction.text_cache import CachedTextEncoder, TextCacheConfig
from backend.store.store import open_store
from model import MethodError, ModelError
from tests.support.counting import counted
from tests.support.counting_encoder import DIM, WORDS, CountingEncoder, is_right
from tests.support.stores import (
    NEVER_RECONNECTS,
)


@pytest.fixture
def store(own_store):
    return own_store


def test_rows_are_the_encoders_own_from_every_layer(store):
    encoder = CountingEncoder()
    first = CachedTextEncoder(encoder, store)
    assert (first.embed_dim, first.fingerprint) == (DIM, "weights-a")
    assert is_right(first(WORDS), WORDS)
    assert is_right(first(WORDS[::-1]), WORDS[::-1])
    assert encoder.calls == [WORDS]
    assert counted(first.counts) == {"hits_process": 8, "misses": 8}

    restarted = CachedTextEncoder(CountingEncoder(), store)
    assert is_right(restarted(WORDS), WORDS)
    assert counted(restarted.counts) == {"hits_store": 8}


def test_what_is_known_is_neither_encoded_nor_asked_for_again(store):
    CachedTextEncoder(CountingEncoder(), store)(WORDS[:3])
    encoder = CountingEncoder()
    partly = CachedTextEncoder(encoder, store)
    assert is_right(partly([*WORDS, *WORDS]), [*WORDS, *WORDS])  # each asked for twice
    assert encoder.calls == [WORDS[3:]]
    store.close()
    assert is_right(partly(WORDS), WORDS)
    assert len(encoder.calls) == 1


def test_many_texts_are_encoded_in_chunks_between_which_others_get_a_turn(store):
    class Paced(CountingEncoder):
        def __call__(self, texts, templates="imagenet80"):
            if len(self.calls) == 1:
                has_begun.set()
                assert is_waiting.wait(20)
            return super().__call__(texts, templates)

    has_begun, is_waiting = threading.Event(), threading.Event()
    encoder = Paced(pause_s=0.05)
    cached = CachedTextEncoder(encoder, store, TextCacheConfig(chunk_prompts=160))
    many = [f"word {i}" for i in range(20)]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cached, many)
        assert has_begun.wait(20)
        second = pool.submit(cached, ["cat"])
        is_waiting.set()
        assert is_right(second.result(), ["cat"])
        assert is_right(first.result(), many)
    assert encoder.encoded == sorted([*many, "cat"])
    assert max(map(len, encoder.calls)) == 2


def test_other_weights_and_other_templates_share_nothing(store):
    texts = ["cat", "dog"]
    for fingerprint in ("weights-a", "weights-b"):
        for templates in ("plain", "imagenet80"):
            encoder = CountingEncoder(fingerprint)
            rows = CachedTextEncoder(encoder, store)(texts, templates)
            assert is_right(rows, texts, templates, fingerprint)
            assert encoder.encoded == texts


def test_an_unknown_template_set_is_the_encoders_to_refuse(store):
    class Refusing(CountingEncoder):
        def __call__(self, texts, templates="imagenet80"):
            raise MethodError(f"no template set {templates}")

    with pytest.raises(ModelError, match="no template set nonsense"):
        CachedTextEncoder(Refusing(), store)(["cat"], "nonsense")


def test_no_texts_make_no_rows(store):
    assert CachedTextEncoder(CountingEncoder(), store)([]).shape == (0, DIM)


def test_rows_cannot_be_changed_through_what_was_handed_out(store):
    cached = CachedTextEncoder(CountingEncoder(), store)
    cached(["cat"]).zero_()
    assert is_right(cached(["cat"]), ["cat"])


def test_the_process_remembers_no_more_than_its_limit(store):
    cached = CachedTextEncoder(CountingEncoder(), store, TextCacheConfig(max_rows=3))
    cached(["a", "b", "c"])
    cached(["a"])
    cached(["d"])  # b was used longest ago
    before = cached.counts.as_dict()
    cached(["a", "c", "d"])
    assert cached.counts["hits_process"] == before["hits_process"] + 3
    cached(["b"])
    assert cached.counts["hits_store"] == before["hits_store"] + 1


def test_what_the_store_holds_can_be_evicted(store):
    CachedTextEncoder(CountingEncoder(), store)(["cat"])
    keys = store.run("look", lambda client: client.keys("firstpass:*"))
    assert len(keys) == 1  # no lock is left
    assert store.run("look", lambda client: client.ttl(keys[0])) > 24 * 3600


def test_without_a_store_it_still_encodes_each_text_once(tmp_path):
    store = open_store("redis://127.0.0.1:1", tmp_path, NEVER_RECONNECTS)
    encoder = CountingEncoder()
    cached = CachedTextEncoder(encoder, store)
    for _ in range(3):
        assert is_right(cached(WORDS), WORDS)
    assert encoder.calls == [WORDS]
    store.close()


def test_a_store_that_dies_on_the_way_stops_nothing(store):
    class Killing(CountingEncoder):
        def __call__(self, texts, templates="imagenet80"):
            os.kill(pid, signal.SIGKILL)
            return super().__call__(texts, templates)

    pid = store.run("look", lambda client: client.info("server"))["process_id"]
    assert is_right(CachedTextEncoder(Killing(), store)(WORDS), WORDS)

"""Stored embeds: whole and under their own key, or encoded again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.prediction.embed_codec import HEADER, pack_row, unpack_row
from backend.prediction.text_cache import CachedTextEncoder
from backend.store.keys import text_embed_key, text_embed_prefix
from tests.support.counting import counted
from tests.support.counting_encoder import DIM, CountingEncoder, embed_of, is_right


@pytest.fixture
def store(own_store):
    return own_store


def spoiled_values(key: str) -> dict[str, bytes]:
    good = pack_row(key, embed_of("cat", "imagenet80", "weights-a"))
    nan = np.full(DIM, np.nan, np.float32)
    return {
        "empty": b"",
        "foreign": b"\x80\x04N.",  # a pickle
        "cut": good[:-1],
        "longer": good + b"\0",
        "flipped bit": good[:-3] + bytes([good[-3] ^ 1]) + good[-2:],
        "another version": good[:4] + b"\x09" + good[5:],
        "another dtype": good[:5] + b"\x02" + good[6:],
        "of another key": pack_row(key + "x", embed_of("cat", "imagenet80", "weights-a")),
        "not finite": pack_row(key, nan),
        "not unit": pack_row(key, 2 * embed_of("cat", "imagenet80", "weights-a")),
        "of another dim": pack_row(key, np.ones(1, np.float32)),
    }


@pytest.mark.parametrize("kind", spoiled_values(""))
def test_a_spoiled_value_is_encoded_again_and_put_right(store, kind):
    CachedTextEncoder(CountingEncoder(), store)(["cat", "dog"])
    (key,) = (k.decode() for k in store.run("look", lambda client: client.keys("*=cat")))
    store.set_many({key: spoiled_values(key)[kind]})

    encoder = CountingEncoder()
    cached = CachedTextEncoder(encoder, store)
    assert is_right(cached(["cat", "dog"]), ["cat", "dog"])
    assert encoder.encoded == ["cat"]
    assert cached.counts["corrupt"] >= 1

    healed = CachedTextEncoder(CountingEncoder(), store)
    healed(["cat", "dog"])
    assert counted(healed.counts) == {"hits_store": 2}


@pytest.mark.parametrize("other", ["set", "list"])
def test_a_key_of_another_type_is_no_hit(store, other):
    CachedTextEncoder(CountingEncoder(), store)(["cat"])
    (key,) = store.run("look", lambda client: client.keys("*=cat"))
    store.run("spoil", lambda client: client.delete(key))
    push = {"set": lambda client: client.sadd(key, b"1"), "list": lambda c: c.rpush(key, b"1")}
    store.run("spoil", push[other])
    assert is_right(CachedTextEncoder(CountingEncoder(), store)(["cat"]), ["cat"])


@given(text=st.text(st.characters(), max_size=400), dim=st.integers(1, 40), data=st.data())
def test_any_text_has_a_key_and_its_row_survives_only_whole(text, dim, data):
    key = text_embed_key(text_embed_prefix("weights", "plain", ["{}"]), text)
    key.encode()  # what a client sends
    assert len(key) < 250
    row = np.random.default_rng(dim).normal(size=dim)
    row = (row / np.linalg.norm(row)).astype(np.float32)
    value = pack_row(key, row)
    unpacked = unpack_row(key, value, dim)
    assert unpacked is not None
    assert np.array_equal(unpacked, row)
    assert unpack_row(key + "x", value, dim) is None
    assert unpack_row(key, value, dim + 1) is None
    place = data.draw(st.integers(0, len(value) - 1))
    broken = bytearray(value)
    broken[place] ^= data.draw(st.integers(1, 255))
    assert unpack_row(key, bytes(broken), dim) is None


def test_a_value_is_a_small_header_and_the_numbers():
    value = pack_row("key", np.array([0.6, 0.8], np.float32))
    assert value[:4] == b"FPTE"
    assert HEADER.size == 16
    assert value[16:] == np.array([0.6, 0.8], "<f4").tobytes()

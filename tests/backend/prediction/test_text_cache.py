"""The text cache on a real store: what is right is remembered, what is not is encoded again."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.prediction.embed_codec import HEADER, pack_row, unpack_row
from backend.prediction.text_cache import CachedTextEncoder, TextCacheConfig
from backend.store.keys import text_embed_key, text_embed_prefix
from backend.store.servers import ServerConfig
from backend.store.store import StoreConfig, open_store
from model import MethodError, ModelError
from tests.support.counting import counted

ROOT = Path(__file__).parents[3]
DIM = 16
PATIENT = StoreConfig(  # so that a busy machine is not taken for a lost store
    first_pause_s=0.05,
    longest_pause_s=0.1,
    server=ServerConfig(connect_timeout_s=30, read_timeout_s=30),
)


def embed_of(text: str, templates: str, fingerprint: str) -> np.ndarray:
    name = f"{text}|{templates}|{fingerprint}".encode("utf-8", "surrogatepass")
    seed = int.from_bytes(hashlib.sha256(name).digest()[:8], "big")
    row = np.random.default_rng(seed).normal(size=DIM)
    return (row / np.linalg.norm(row)).astype(np.float32)


class CountingEncoder:
    """Stands in for CLIP: a row that depends on all that a real one depends on."""

    embed_dim = DIM

    def __init__(self, fingerprint="weights-a", pause_s=0.0):
        self.fingerprint = fingerprint
        self.pause_s = pause_s
        self.calls = []

    def __call__(self, texts, templates="imagenet80"):
        self.calls.append(list(texts))
        time.sleep(self.pause_s)
        rows = [embed_of(text, templates, self.fingerprint) for text in texts]
        return torch.from_numpy(np.array(rows, np.float32).reshape(len(rows), DIM))

    @property
    def encoded(self):
        return sorted(text for call in self.calls for text in call)


@pytest.fixture
def store(tmp_path):
    store = open_store(None, tmp_path, PATIENT)
    yield store
    store.close()


def is_right(rows, texts, templates="imagenet80", fingerprint="weights-a"):
    expected = np.array([embed_of(t, templates, fingerprint) for t in texts])
    return rows.dtype == torch.float32 and np.array_equal(rows.numpy(), expected)


WORDS = ["cat", "dog", "grass", "Straße", "猫", "two words", "a\nb", ""]


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
    assert np.array_equal(unpack_row(key, value, dim), row)
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


def test_threads_that_need_the_same_words_encode_them_once(store):
    encoder = CountingEncoder(pause_s=0.2)
    cached = CachedTextEncoder(encoder, store)
    starts = threading.Barrier(8)

    def ask(i):
        texts = WORDS[i % 4 : i % 4 + 4]  # neighbors overlap
        starts.wait()
        return is_right(cached(texts), texts)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))
    assert encoder.encoded == sorted(WORDS[:7])


def test_a_failure_of_one_thread_is_not_that_of_those_who_waited(store):
    class FailsOnce(CountingEncoder):
        def __call__(self, texts, templates="imagenet80"):
            rows = super().__call__(texts, templates)
            if len(self.calls) == 1:
                raise RuntimeError("out of memory")
            return rows

    cached = CachedTextEncoder(FailsOnce(pause_s=0.3), store)

    def ask(_):
        try:
            return is_right(cached(["cat"]), ["cat"])
        except RuntimeError:
            return "failed"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(map(str, pool.map(ask, range(4)))) == ["True"] * 3 + ["failed"]


def test_who_takes_too_long_is_not_waited_for(store):
    class Waits(CountingEncoder):
        def __call__(self, texts, templates="imagenet80"):
            is_encoding.set()
            assert may_go_on.wait(20)
            return super().__call__(texts, templates)

    is_encoding, may_go_on = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(CachedTextEncoder(Waits(), store), WORDS)
        assert is_encoding.wait(20)
        impatient = CachedTextEncoder(CountingEncoder(), store, TextCacheConfig(wait_s=0.2))
        assert is_right(impatient(WORDS), WORDS)
        assert impatient.counts["misses"] == len(WORDS)
        may_go_on.set()
        assert is_right(slow.result(), WORDS)


def test_without_a_store_it_still_encodes_each_text_once(tmp_path):
    store = open_store("redis://127.0.0.1:1", tmp_path, StoreConfig(first_pause_s=3600))
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


FORKING = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("tests_text_cache", sys.argv[1])
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
tests.three_at_once(Path(sys.argv[2]) / "three")
tests.one_is_killed(Path(sys.argv[2]) / "killed")
"""
FIFTY = [f"word {i}" for i in range(50)]


def fork(job, data_dir, *arguments) -> int:
    """A child process with a store of its own; exits 0 when the job does not fail."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        store = open_store(None, data_dir, PATIENT)
        job(store, *arguments)
        store.close()
        code = 0
    finally:
        os._exit(code)


def ask_and_note(store, note: Path) -> None:
    cached = CachedTextEncoder(CountingEncoder(pause_s=0.5), store, TextCacheConfig(wait_s=60))
    assert is_right(cached(FIFTY), FIFTY)
    note.write_text(str(cached.counts["misses"]))


def three_at_once(data_dir: Path) -> None:
    data_dir.mkdir()
    notes = [data_dir / f"note{i}" for i in range(3)]
    for child in [fork(ask_and_note, data_dir, note) for note in notes]:
        assert os.waitpid(child, 0)[1] == 0
    assert sum(int(note.read_text()) for note in notes) == 50


def encode_slowly(store) -> None:
    CachedTextEncoder(CountingEncoder(pause_s=60), store, TextCacheConfig(lock_s=0.5))(FIFTY)


def one_is_killed(data_dir: Path) -> None:
    child = fork(encode_slowly, data_dir)
    store = open_store(None, data_dir, PATIENT)
    while not store.run("look", lambda client: client.keys("*:lock")):
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    cached = CachedTextEncoder(CountingEncoder(), store, TextCacheConfig(lock_s=0.5))
    assert is_right(cached(FIFTY), FIFTY)
    assert cached.counts["misses"] == 50
    store.close()


def test_processes_encode_the_same_words_once_and_outlive_the_one_that_does_it(tmp_path):
    # Both in one process that may fork, as gunicorn does: importing torch takes seconds.
    script = [sys.executable, "-c", FORKING, __file__, str(tmp_path)]
    subprocess.run(script, cwd=ROOT, check=True)

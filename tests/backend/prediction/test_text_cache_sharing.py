"""Threads and processes that need the same texts encode them once."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.prediction.text_cache import CachedTextEncoder, TextCacheConfig
from tests.support.counting_encoder import WORDS, CountingEncoder, is_right
from tests.support.running_service import ROOT
from tests.support.stores import open_patient_store


@pytest.fixture
def store(own_store):
    return own_store


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
        store = open_patient_store(data_dir)
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
    store = open_patient_store(data_dir)
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

"""No input of a stranger makes a reader fail otherwise than declared: `make fuzz`, in short."""

import logging
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz import limits
from tests.fuzz.inputs import CORPUS, inputs, seeds_of
from tests.fuzz.limits import TooSlow, bounded_time
from tests.fuzz.targets import TARGETS

SHORT = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
FILES = [path for target in TARGETS for path in seeds_of(target)]


@pytest.fixture(autouse=True)
def quiet():
    """Without the lines that damaged input makes the readers log."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def test_each_target_has_a_corpus_and_each_corpus_a_target():
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_file_of_the_corpus_is_read_or_refused_as_declared(path):
    with bounded_time():
        TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_damaged_input_is_read_or_refused_as_declared(target):
    @SHORT
    @given(inputs(target))
    def try_one(data: bytes) -> None:
        with bounded_time():
            TARGETS[target](data)

    try_one()


def never_end() -> None:
    while True:
        pass


def test_an_input_that_takes_too_long_fails(monkeypatch):
    monkeypatch.setattr(limits, "MAX_CPU_S", 0.01)
    with pytest.raises(TooSlow), bounded_time():
        never_end()


FAILING = """
from tests.fuzz import run
from tests.fuzz.targets import TARGETS

def fail(data):
    assert b"RIFF" not in data
    if b"GIF" in data:
        __import__("os").abort()

TARGETS["image"] = fail
raise SystemExit(run.main())
"""


def test_what_fails_or_ends_the_process_goes_into_the_corpus(tmp_path):
    shutil.copytree(CORPUS.parent, tmp_path / "tests" / "fuzz")
    shutil.copytree(CORPUS.parents[1] / "support", tmp_path / "tests" / "support")
    done = subprocess.run(
        [sys.executable, "-c", FAILING, "--minutes", "5", "image"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{CORPUS.parents[2]}"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 1, done.stderr
    (kept,) = {path.name for path in (tmp_path / "tests/fuzz/corpus/image").iterdir()} - {
        path.name for path in seeds_of("image")
    }
    assert kept in done.stdout
    found = (tmp_path / "tests/fuzz/corpus/image" / kept).read_bytes()
    assert b"RIFF" in found or b"GIF" in found

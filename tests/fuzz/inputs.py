"""Inputs of the targets: the files of their corpus, and what hypothesis makes of these."""

import json
from pathlib import Path

import orjson
from hypothesis import strategies as st

from tests.support.damage import changed_json, damaged

CORPUS = Path(__file__).with_name("corpus")


def seeds_of(target: str) -> list[Path]:
    """The files of a target's corpus: whole inputs, and those that once failed."""
    return sorted((CORPUS / target).iterdir())


@st.composite
def inputs(draw: st.DrawFn, target: str) -> bytes:
    """Any bytes, or a file of the corpus with damage; JSON also with other values in it."""
    value = draw(st.sampled_from(seeds_of(target))).read_bytes()
    kinds = ["damaged", "any", *(["changed", "changed"] if is_json(value) else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "any":
        return draw(st.binary(max_size=300))
    if kind == "changed":
        found = orjson.loads(value)
        for _ in range(draw(st.integers(1, 4))):
            found = draw(changed_json(found))
        return json.dumps(found, ensure_ascii=False).encode(errors="surrogatepass")
    for _ in range(draw(st.integers(1, 3))):
        value = draw(damaged(value)) if value else value
    return value


def is_json(value: bytes) -> bool:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return False
    return True

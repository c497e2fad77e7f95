"""Damage to stored values, for hypothesis."""

from typing import Any

from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.sampled_from([-1, 0, 1, 2**31]), st.floats()
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8))
# Any JSON value, also of the kinds that stand nowhere in ours.
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn, value: bytes) -> bytes:
    """The bytes cut off, with other bytes in some places, or with bytes inserted."""
    kind = draw(st.sampled_from(["cut", "changed", "inserted"]))
    place = draw(st.integers(0, max(len(value) - 1, 0)))
    if kind == "cut":
        return value[:place]
    if kind == "inserted":
        return value[:place] + draw(st.binary(min_size=1, max_size=5)) + value[place:]
    spoiled = bytearray(value)
    for _ in range(draw(st.integers(1, 4))):
        spoiled[draw(st.integers(0, len(value) - 1))] = draw(st.integers(0, 255))
    return bytes(spoiled)


@st.composite
def changed_json(draw: st.DrawFn, value: Any) -> Any:
    """The JSON value with one part of it, at any depth, left out, added or replaced."""
    if isinstance(value, dict) and (value or draw(st.booleans())):
        key = draw(st.one_of(st.text(max_size=8), st.sampled_from([*value, "new"])))
        rest = {name: each for name, each in value.items() if name != key}
        if key in value and draw(st.booleans()):
            return rest | {key: draw(changed_json(value[key]))}
        return rest | draw(st.one_of(st.just({}), JSON.map(lambda found: {key: found})))
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(changed_json(value[place])), *value[place + 1 :]]
    return draw(JSON)

"""Settings chosen on all sets but one, and measured on that one, for each set in turn.

Settings that were chosen on the sets they are reported on flatter themselves. The candidates differ
in the heuristics of the logits, which are ours and were tuned by hand.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from benchmarks.ladder import FULL, Row, Step
from model import METHODS

# Of LogitConfig; the shipped values are among them.
CANDIDATE_VALUES = {
    "image_mean_share": (0.0, 0.3),
    "range_cut": (0.0, 0.6),
    "absence_penalty": (0.8, 1.5),
}


def candidate_rows() -> list[Row]:
    """`firstpass` with every combination of the candidate values."""
    rows = []
    for values in product(*CANDIDATE_VALUES.values()):
        logits = dict(zip(CANDIDATE_VALUES, values, strict=True))
        name = ", ".join(f"{name} {value:g}" for name, value in logits.items())
        rows.append(Row(name, Step(name, logits=logits).of(FULL)))
    return rows


def preset_rows(names: list[str]) -> list[Row]:
    """The other presets, with the refiner of `firstpass`."""
    refined = Step("", refiner=FULL.decision.refiner)
    return [Row(name, refined.of(METHODS[name])) for name in names if name != FULL.name]


def chosen_without(miou: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each of S sets the best of C candidates by the mean of the other sets: (C, S) -> (S,)."""
    others = miou.sum(axis=1, keepdims=True) - miou
    chosen: NDArray[np.int64] = others.argmax(axis=0)
    return chosen

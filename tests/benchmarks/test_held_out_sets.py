"""Settings chosen without the set that they are reported on."""

import numpy as np

from benchmarks.held_out_sets import candidate_rows, chosen_without, preset_rows
from model import METHODS


def test_each_set_s_candidate_is_the_best_of_the_other_sets():
    miou = np.array([[0.9, 0.1, 0.2], [0.1, 0.3, 0.3]])
    # Without the first set the second candidate leads; its own 0.9 must not count.
    assert chosen_without(miou).tolist() == [1, 0, 0]


def test_the_shipped_settings_are_a_candidate():
    assert METHODS["firstpass"] in [row.method for row in candidate_rows()]


def test_presets_are_compared_with_the_refiner_of_firstpass():
    rows = preset_rows(["firstpass", "naclip", "clip"])
    assert [row.name for row in rows] == ["naclip", "clip"]
    assert {row.method.decision.refiner for row in rows} == {"crf"}

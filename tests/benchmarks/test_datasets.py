"""Measuring sets are found in any folder of the layout, and what is missing is said."""

import argparse

import numpy as np
import pytest
from PIL import Image

from benchmarks.datasets import (
    WHAT_IS_NEEDED,
    Confusion,
    add_data_arguments,
    chosen_sets,
    find_sets,
)


def make_set(folder, subset=""):
    suffix = f"_{subset}" if subset else ""
    for part in ("images", f"masks{suffix}"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / f"classes{suffix}.txt").write_text("# a comment\n0\tbackground (surface)\n1\tcat\n")
    for number in range(4):
        truth = np.full((6, 8), number % 2, np.uint8)
        Image.fromarray(truth).save(folder / f"masks{suffix}" / f"photo{number}.png")
        Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(folder / f"images/photo{number}.jpg")


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    add_data_arguments(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def data(tmp_path):
    make_set(tmp_path / "pets")
    make_set(tmp_path / "pets", subset="coarse")
    make_set(tmp_path / "animals")
    (tmp_path / "classlists").mkdir()  # no set
    return tmp_path


def test_a_folder_of_sets_gives_all_of_them_with_their_second_truths(data):
    assert [one.name for one in find_sets(data)] == ["animals", "pets/coarse", "pets"]


def test_a_sets_own_folder_gives_that_set(data):
    assert [one.name for one in find_sets(data / "animals")] == ["animals"]


def test_names_come_without_remarks_and_images_with_their_truth(data):
    (animals,) = find_sets(data / "animals")
    assert animals.class_names == ["background", "cat"]
    assert animals.stems == ["photo0", "photo1", "photo2", "photo3"]
    assert animals.spread(2) == ["photo0", "photo2"]
    sample = animals.load("photo1")
    assert sample.image.shape == (6, 8, 3)
    assert (sample.truth == 1).all()


def test_a_list_of_images_limits_the_second_truth(data):
    (data / "pets" / "coarse_images.txt").write_text("photo3\nphoto1\n")
    coarse, pets = find_sets(data / "pets")
    assert coarse.stems == ["photo1", "photo3"]
    assert len(pets.stems) == 4


def test_sets_are_chosen_by_name_or_by_the_benchmarks_default(data):
    def names(*arguments, default=()):
        chosen = chosen_sets(parsed("--data", str(data), *arguments), default)
        return [one.name for one in chosen]

    assert names() == ["animals", "pets/coarse", "pets"]
    assert names("--sets", "pets", "animals") == ["pets", "animals"]
    assert names(default=("pets", "camvid")) == ["pets"]
    assert names(default=("camvid",)) == ["animals", "pets/coarse", "pets"]


def test_an_unknown_set_is_refused_with_the_known(data):
    with pytest.raises(SystemExit, match=r"No set camvid in .*Found: animals, pets/coarse, pets"):
        chosen_sets(parsed("--data", str(data), "--sets", "camvid"))


def test_a_folder_without_a_set_says_what_is_needed(tmp_path):
    with pytest.raises(SystemExit, match=r"no measuring set in .*images/, masks/.*classes\.txt"):
        chosen_sets(parsed("--data", str(tmp_path)))


def test_without_data_there_is_nothing_to_measure_and_that_is_said(capsys):
    arguments = parsed()
    arguments.data = None
    with pytest.raises(SystemExit) as ended:
        chosen_sets(arguments)
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == WHAT_IS_NEEDED


def test_iou_is_counted_over_all_images_and_ignores_255():
    confusion = Confusion(2)
    confusion.add(np.array([[0, 0, 1, 255]]), np.array([[0, 1, 1, 1]]))
    confusion.add(np.array([[1, 1]]), np.array([[1, 0]]))
    assert confusion.iou.tolist() == [1 / 3, 2 / 4]
    assert confusion.miou == pytest.approx((1 / 3 + 2 / 4) / 2)

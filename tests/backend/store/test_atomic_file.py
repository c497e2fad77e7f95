"""A file is replaced as a whole, or stays as it was."""

import pytest

from backend.store.atomic_file import replace_file


def test_the_new_bytes_stand_for_the_old_and_nothing_is_left_beside_them(tmp_path):
    path = tmp_path / "file"
    for data in (b"old", b"new and longer", b""):
        replace_file(path, data)
        assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_a_replacement_that_fails_leaves_the_old_bytes(tmp_path):
    path = tmp_path / "file"
    replace_file(path, b"old")
    (tmp_path / "file.new").mkdir()  # in the way of the new file
    with pytest.raises(OSError, match=r"file\.new"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"

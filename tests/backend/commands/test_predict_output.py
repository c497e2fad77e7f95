"""What `predict` writes is checked before its work, and no file takes the place of another."""

import re

import numpy as np
import pytest
from PIL import Image

from backend.commands.output_files import file_stems
from backend.commands.overlay import Layer
from backend.commands.photo_outputs import save_masks


def test_a_missing_folder_is_made(run, photo_file, tmp_path):
    picture, masks = tmp_path / "new" / "deep" / "overlay.png", tmp_path / "also" / "new"
    code, _, _ = run(
        "predict", str(photo_file), "--labels", "cat", "--out", str(picture), "--masks", str(masks)
    )
    assert code == 0
    assert picture.is_file()
    assert masks.is_dir()


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("--out", "overlay", r"must end in one of .png, .*such as --out \S+/overlay.png"),
        ("--out", "overlay.svg", "must end in one of .png"),
        ("--out", "folder.png", "is a folder: name a file in it"),
        ("--out", "photo.png/overlay.png", r"the folder \S+ cannot be made"),
        ("--masks", "photo.png", r"the folder \S+ cannot be made"),
        ("--masks", "photo.png/masks", r"the folder \S+ cannot be made"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_model_is_loaded(
    run, photo_file, tmp_path, option, name, said
):
    (tmp_path / "folder.png").mkdir()
    # Weights that are not there would be the next error.
    code, _, error = run(
        "predict", str(photo_file), "--labels", "cat", option, str(tmp_path / name),
        CLIP_PRETRAINED="nowhere.safetensors",
    )  # fmt: skip
    assert code == 1
    assert error.startswith(f"firstpass: {option}")
    assert re.search(said, error)


def test_labels_of_the_same_file_name_have_masks_of_their_own(tmp_path):
    names = ["left/right", "left_right", "Left_Right", "left_right-2", "x" * 300, "x" * 301]
    stems = file_stems(names)
    layers = [
        Layer(name, np.eye(n + 2, dtype=bool), 0.5, (0, 0, 0)) for n, name in enumerate(names)
    ]
    save_masks(layers, tmp_path, stems)
    sizes = {}
    for path in tmp_path.iterdir():
        with Image.open(path) as mask:
            sizes[path.stem] = mask.width
    assert sizes == {stems[name]: n + 2 for n, name in enumerate(names)}
    assert len({stem.casefold() for stem in stems.values()}) == len(names)


def test_a_label_keeps_its_file_name_whatever_else_was_found(tmp_path):
    stems = file_stems(["left/right", "left_right"])
    save_masks([Layer("left_right", np.eye(3, dtype=bool), 0.5, (0, 0, 0))], tmp_path, stems)
    assert [path.name for path in tmp_path.iterdir()] == ["left_right-2.png"]

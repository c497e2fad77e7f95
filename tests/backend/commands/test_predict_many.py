"""`predict` of folders and patterns: what it writes is read back as other programs read it."""

import json

import numpy as np
import pytest
from label_studio_sdk.label_interface.interface import LabelInterface
from PIL import Image

from backend.commands.photo_segmenter import PhotoSegmenter
from backend.masks.polygons import polygon_to_mask
from backend.masks.regions import decode_region
from tests.support.annotated_export import disk, photo_of

LABELS = ("--labels", "cat, tree & co,sky", "--method", "clip", "--refiner", "none",
          "--min-score", "0")  # fmt: skip
NAMES = ["cat", "tree & co", "sky"]


@pytest.fixture
def photos(tmp_path):
    """Three photos and a text, one of the photos in a folder below."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name, center_x in (("a.png", 20), ("b.jpg", 30), ("more/a.png", 40)):
        Image.fromarray(photo_of(disk(center_x))).save(folder / name)
    (folder / "notes.txt").write_text("no photo")
    return folder


def masks_in(folder) -> dict[tuple[str, str], np.ndarray]:
    """Of the PNGs that `predict` wrote, by photo and label's file name."""
    found = {}
    for path in folder.rglob("*.png"):
        with Image.open(path) as mask:
            found[path.parent.name, path.stem] = np.asarray(mask)
    return found


def test_a_folder_is_predicted_with_a_picture_and_masks_of_each_photo(run, photos, tmp_path):
    out, masks = tmp_path / "pictures", tmp_path / "masks"
    code, said, error = run(
        "predict", str(photos), *LABELS, "--out", str(out), "--masks", str(masks)
    )
    assert code == 0, error
    assert "3 of 3 photos in" in said
    assert "3/3" in error
    assert {path.name for path in out.iterdir()} == {"a.png", "b.png", "more_a.png"}
    found = masks_in(masks)
    assert {photo for photo, _ in found} == {"a", "b", "more_a"}
    assert all(mask.shape == (48, 64) for mask in found.values())


def test_a_photo_has_the_same_masks_in_a_folder_as_alone(run, photos, tmp_path):
    run("predict", str(photos), *LABELS, "--masks", str(tmp_path / "many"))
    run("predict", str(photos / "b.jpg"), *LABELS, "--masks", str(tmp_path / "alone" / "b"))
    many, alone = masks_in(tmp_path / "many"), masks_in(tmp_path / "alone")
    assert alone
    assert {key: mask.tolist() for key, mask in many.items() if key[0] == "b"} == {
        key: mask.tolist() for key, mask in alone.items()
    }


def test_patterns_name_photos(run, photos, tmp_path):
    masks = tmp_path / "masks"
    code, said, _ = run("predict", str(photos / "**" / "a.*"), *LABELS, "--masks", str(masks))
    assert code == 0
    assert "2 of 2 photos" in said
    assert {path.name for path in masks.iterdir()} == {"a", "more_a"}


def test_coco_has_the_masks_pixel_by_pixel(run, photos, tmp_path):
    masks, coco = tmp_path / "masks", tmp_path / "coco.json"
    code, _, _ = run("predict", str(photos), *LABELS, "--masks", str(masks), "--coco", str(coco))
    assert code == 0
    found, read = masks_in(masks), json.loads(coco.read_text())
    assert [one["name"] for one in read["categories"]] == NAMES
    files = {one["id"]: one["file_name"] for one in read["images"]}
    assert sorted(files.values()) == ["a.png", "b.jpg", "more/a.png"]
    assert len(read["annotations"]) == len(found)
    for one in read["annotations"]:
        stem = files[one["image_id"]].rpartition(".")[0].replace("/", "_")
        name = NAMES[one["category_id"] - 1].replace("&", "_")
        counts, (height_px, width_px) = one["segmentation"]["counts"], one["segmentation"]["size"]
        values = np.arange(len(counts)) % 2 == 1
        mask = np.repeat(values, counts).reshape(width_px, height_px).T
        assert np.array_equal(mask, found[stem, name])
        x, y, width, height = one["bbox"]
        assert mask[y : y + height, x : x + width].sum() == mask.sum() == one["area"]
        assert mask[y].any()
        assert mask[:, x + width - 1].any()


def test_yolo_has_the_masks_as_polygons_beside_the_photos(run, photos, tmp_path):
    masks, yolo = tmp_path / "masks", tmp_path / "yolo"
    code, _, _ = run("predict", str(photos), *LABELS, "--masks", str(masks), "--yolo", str(yolo))
    assert code == 0
    assert (yolo / "data.yaml").read_text().endswith('1: "tree & co"\n  2: "sky"\n')
    for (stem, name), mask in masks_in(masks).items():
        drawn = np.zeros_like(mask)
        for line in (yolo / "labels" / f"{stem}.txt").read_text().splitlines():
            number, *shares = line.split()
            if NAMES[int(number)].replace("&", "_") == name:
                points = np.array(shares, float).reshape(-1, 2)
                assert points.min() >= 0
                assert points.max() <= 1
                drawn |= polygon_to_mask(points * (64, 48), height_px=48, width_px=64)
        assert (drawn != mask).mean() < 0.02  # outlines are simplified, specks left out
        (image,) = (yolo / "images").glob(f"{stem}.*")
        assert image.is_file()


def test_an_import_file_is_valid_for_its_labeling_config(run, photos, tmp_path):
    file, masks = tmp_path / "tasks.json", tmp_path / "masks"
    code, said, error = run(
        "predict", str(photos), *LABELS, "--import-file", str(file), "--masks", str(masks),
        LOCAL_FILES_DOCUMENT_ROOT=str(tmp_path),
    )  # fmt: skip
    assert code == 0, error
    assert f"its labeling config: {tmp_path / 'tasks.xml'}" in said
    interface = LabelInterface((tmp_path / "tasks.xml").read_text())
    tasks, found = json.loads(file.read_text()), masks_in(masks)
    assert [task["data"]["image"] for task in tasks] == [
        f"/data/local-files/?d=photos/{name}" for name in ("a.png", "b.jpg", "more/a.png")
    ]
    for task, stem in zip(tasks, ("a", "b", "more_a"), strict=True):
        (prediction,) = task["predictions"]
        assert interface.validate_prediction(prediction, return_errors=True) == []
        for region in prediction["result"]:
            name = region["value"]["brushlabels"][0].replace("&", "_")
            assert np.array_equal(decode_region(region), found[stem, name])


def test_an_import_file_fits_a_given_config_and_prefix(run, photos, tmp_path):
    config = tmp_path / "config.xml"
    config.write_text(
        '<View><Image name="photo" value="$url"/><PolygonLabels name="area" toName="photo">'
        '<Label value="Cat" alias="c"/><Label value="Sky"/></PolygonLabels></View>'
    )
    file = tmp_path / "tasks.json"
    code, _, error = run(
        "predict", str(photos / "a.png"), "--label-config", str(config),
        "--import-file", str(file), "--image-prefix", "s3://bucket/",
    )  # fmt: skip
    assert code == 0, error
    (task,) = json.loads(file.read_text())
    assert task["data"] == {"url": "s3://bucket/a.png"}
    interface = LabelInterface(config.read_text())
    assert interface.validate_prediction(task["predictions"][0], return_errors=True) == []
    assert not (tmp_path / "tasks.xml").exists()


def test_a_photo_that_cannot_be_read_costs_no_other(run, photos, tmp_path):
    (photos / "broken.png").write_bytes(b"no image")
    code, said, _ = run("predict", str(photos), *LABELS, "--coco", str(tmp_path / "coco.json"))
    assert code == 3
    assert "3 of 4 photos" in said
    assert "failed: " in said
    assert "broken.png: This is no image" in said
    assert len(json.loads((tmp_path / "coco.json").read_text())["images"]) == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--labels", "cat", "--out", "a.png"), "names one picture: for several photos name a"),
        (("--labels", "cat", "--import-file", "t.json"), "where does Label Studio find"),
        (("--labels", "cat", "--coco", "."), "--coco . is a folder"),
        (("--label-config", "gone.xml"), "--label-config gone.xml cannot be read"),
        (("--label-config", "two.xml"), "predict paints one control"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_model_is_loaded(
    run, photos, tmp_path, monkeypatch, options, said
):
    monkeypatch.chdir(tmp_path)
    brushes = "".join(
        f'<BrushLabels name="{n}" toName="i"><Label value="A"/></BrushLabels>' for n in "ab"
    )
    (tmp_path / "two.xml").write_text(f'<View><Image name="i" value="$i"/>{brushes}</View>')
    code, _, error = run("predict", str(photos), *options, CLIP_PRETRAINED="nowhere.safetensors")
    assert code == 1
    assert error.startswith("firstpass: ")
    assert said in error


def test_a_folder_without_photos_is_said(run, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, error = run("predict", str(tmp_path / "empty"), "--labels", "cat")
    assert code == 1
    assert "empty has no photo in it" in error


def test_ctrl_c_keeps_what_is_done(run, photos, tmp_path, monkeypatch):
    each = PhotoSegmenter.each

    def interrupted(segmenter, found):
        answers = each(segmenter, found)
        yield next(answers)
        raise KeyboardInterrupt

    monkeypatch.setattr(PhotoSegmenter, "each", interrupted)
    code, said, _ = run("predict", str(photos), *LABELS, "--coco", str(tmp_path / "coco.json"))
    assert code == 130
    assert "1 of 3 photos" in said
    assert len(json.loads((tmp_path / "coco.json").read_text())["images"]) == 1

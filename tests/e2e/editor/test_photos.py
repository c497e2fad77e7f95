"""Photos as cameras store them, turned by EXIF and large: masks lie where a person sees them."""

from pathlib import Path

import pytest
from PIL import ExifTags, Image

from backend.label_studio.config_writer import write_config
from tests.e2e.editor.conftest import at, check_painted, masks_of

pytestmark = pytest.mark.e2e

# How the photo is stored so that browsers show it upright, by EXIF orientation.
STORED = {
    3: Image.Transpose.ROTATE_180,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,  # a phone held upright
}
TWELVE_MEGAPIXELS_WH = (4240, 2830)
SKY_XY, GROUND_XY = (0.35, 0.2), (0.35, 0.98)  # shares of the upright photo


@pytest.mark.parametrize("orientation", STORED)
def test_masks_lie_on_a_photo_that_exif_turns(
    predicted, open_editor, rocket, tmp_path, orientation
):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    photo = tmp_path / "turned.jpg"
    Image.fromarray(rocket).transpose(STORED[orientation]).save(photo, exif=exif, quality=95)
    check_photo(predicted, open_editor, photo, rocket.shape[1::-1])


def test_masks_lie_on_a_photo_of_twelve_megapixels(predicted, open_editor, rocket, tmp_path):
    photo = tmp_path / "large.jpg"
    Image.fromarray(rocket).resize(TWELVE_MEGAPIXELS_WH).save(photo, quality=90)
    check_photo(predicted, open_editor, photo, TWELVE_MEGAPIXELS_WH)


def check_photo(predicted, open_editor, photo: Path, upright_wh: tuple[int, int]) -> None:
    """What is painted is what was answered, and that is above, where the sky is."""
    project, task, regions = predicted(write_config(("Sky", "Tower")), photo=photo)
    masks = masks_of(regions)
    assert at(masks["Sky"], SKY_XY)
    assert not at(masks["Sky"], GROUND_XY)
    editor = open_editor(project, task)
    editor.wait_for_regions(len(regions))
    assert editor.photo_wh() == upright_wh  # the browser's turn
    check_painted(editor, masks)

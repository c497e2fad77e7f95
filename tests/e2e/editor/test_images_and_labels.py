"""Several images, and labels that are not as written in the config, in the labeling page."""

import numpy as np
import pytest

from tests.e2e.editor.conftest import COLORS, check_painted, labels_in_color, masks_of
from tests.support.label_configs import IMAGE, brush_labels, config
from tests.support.label_studio_editor import REGIONS, Editor

pytestmark = pytest.mark.e2e

SIDE_BY_SIDE = (  # in whole pixels: at half a pixel the browser may draw half a pixel off
    '<View style="display: flex">'
    '<View style="width: 420px"><Image name="left" value="$left"/></View>'
    '<View style="width: 420px"><Image name="right" value="$right"/></View></View>'
)
ALIASES = {"Sky": "s", "Tower": "t"}
NEXT_PAGE = ".lsf-pagination__btn_arrow-right"


@pytest.fixture
def photos(png_uri, rocket) -> list[str]:
    """The rocket and its mirror image, of another size, so that no mask fits both."""
    mirrored = np.ascontiguousarray(rocket[:, 600::-1])
    return [png_uri(rocket), png_uri(mirrored)]


def check_list(editor: Editor) -> None:
    """The list of regions has a row for each label, by its name."""
    for label in COLORS:
        editor.page.locator(REGIONS, has_text=label).wait_for()
    assert editor.page.locator(REGIONS).count() == len(COLORS)


def test_each_of_two_images_has_its_own_masks(predicted, open_editor, photos):
    labels = brush_labels(labels_in_color(), to_name="left,right")
    project, task, regions = predicted(
        config(SIDE_BY_SIDE, labels), left=photos[0], right=photos[1]
    )
    editor = open_editor(project, task)
    editor.wait_for_regions(len(regions))
    for index, name in enumerate(("left", "right")):
        check_painted(editor, masks_of(regions, to_name=name), index)


def test_each_page_of_a_list_has_its_own_masks(predicted, open_editor, photos):
    pages = '<Image name="image" valueList="$pages"/>'
    project, task, regions = predicted(config(pages, brush_labels(labels_in_color())), pages=photos)
    editor = open_editor(project, task)
    editor.wait_for_regions(len(regions))
    check_painted(editor, masks_of(regions, item_index=0))
    before = editor.photo_wh()
    editor.page.locator(NEXT_PAGE).first.click()
    editor.wait_for_photos()
    assert editor.photo_wh() != before
    check_painted(editor, masks_of(regions, item_index=1))


def test_a_label_with_an_alias_has_its_name_and_color(predicted, open_editor, png_uri, rocket):
    labels = labels_in_color()
    for label, alias in ALIASES.items():
        labels = labels.replace(f'value="{label}"', f'value="{label}" alias="{alias}"')
    project, task, regions = predicted(config(IMAGE, brush_labels(labels)), image=png_uri(rocket))
    masks = masks_of(regions)
    assert set(masks) == set(ALIASES.values())
    editor = open_editor(project, task)
    editor.wait_for_regions(len(regions))
    check_list(editor)
    check_painted(editor, {label: masks[alias] for label, alias in ALIASES.items()})


def test_labels_of_the_tasks_data_have_their_names_and_colors(
    predicted, open_editor, png_uri, rocket
):
    labels = [
        {"value": label, "background": f"#{bytes(color).hex()}"} for label, color in COLORS.items()
    ]
    control = brush_labels("", 'value="$labels"')
    project, task, regions = predicted(config(IMAGE, control), image=png_uri(rocket), labels=labels)
    editor = open_editor(project, task)
    editor.wait_for_regions(len(regions))
    check_list(editor)
    check_painted(editor, masks_of(regions))

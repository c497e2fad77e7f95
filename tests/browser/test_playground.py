"""The playground, used by mouse and keyboard: what stands on the canvas and in the panel."""

import io
import re

import pytest
from PIL import Image

from tests.browser.conftest import is_color, pixel

playwright = pytest.importorskip("playwright.sync_api", reason="run by make browser")
expect = playwright.expect
pytestmark = pytest.mark.browser

CYAN, YELLOW = [0, 204, 238], [238, 221, 119]  # of the first and the third label
SKY, ROCKET = (0.5, 0.15), (0.5, 0.6)  # places in the photo of the rocket


def open_rocket(page):
    """Sky, tower and rocket of a photo that ships, once their masks are there."""
    page.get_by_role("button", name="a rocket on its launch pad").click()
    expect(page.locator("#said")).to_contain_text("labels found in")
    return page.locator("#main-picture")


def test_a_photo_that_ships_gets_its_masks_with_scores(page):
    picture = open_rocket(page)
    assert is_color(pixel(picture, *SKY), CYAN)
    assert pixel(picture, *SKY)[3] == 128
    assert pixel(picture, 0.12, 0.6)[3] == 0
    rows = page.locator("#label-list li")
    expect(rows).to_have_count(3)
    expect(rows.first).to_have_text(re.compile(r"^sky0\.\d\d · \d\d%$"))
    expect(page.locator("#said")).to_contain_text("sky 0.")
    expect(page.locator("#time")).to_contain_text("features")
    expect(page.locator("#state")).to_contain_text("Ready: starter")


def test_a_label_can_be_hidden_and_masks_made_thinner(page):
    picture = open_rocket(page)
    page.get_by_role("checkbox", name="Show sky").uncheck()
    assert pixel(picture, *SKY)[3] == 0
    page.get_by_role("checkbox", name="Show sky").check()
    page.get_by_label("Opacity of masks").fill("20")
    assert pixel(picture, *SKY)[3] == 51


def test_a_click_is_answered_in_the_place_of_its_label_and_can_be_undone(page):
    picture = open_rocket(page)
    before = pixel(picture, *ROCKET)
    page.get_by_role("button", name="rocket", exact=True).click()
    box = picture.locator(".picture").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.6 * box["height"])
    expect(page.locator("#said")).to_contain_text("answered in")
    assert is_color(pixel(picture, *ROCKET), YELLOW)
    expect(page.locator("#label-list li").nth(2)).to_contain_text("by clicks")
    expect(picture.locator(".click")).to_have_text("+")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#said")).to_have_text("The clicks are cleared.")
    assert pixel(picture, *ROCKET) == before
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def test_taking_away_takes_the_place_away(page):
    picture = open_rocket(page)
    box = picture.locator(".picture").bounding_box()
    page.keyboard.down("Alt")
    page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    page.keyboard.up("Alt")
    expect(page.locator("#said")).to_contain_text("answered in")
    expect(picture.locator(".click.remove")).to_have_count(1)
    assert pixel(picture, 0.3, 0.2)[3] == 0


def test_all_of_it_works_by_keyboard(page):
    page.get_by_role("button", name="a rocket on its launch pad").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("labels found in")
    page.get_by_role("button", name="tower", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="tower", exact=True)).to_be_focused()
    page.locator("#main-picture .picture").focus()
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("tower:")
    mark = page.locator("#main-picture .click")
    assert mark.evaluate("(mark) => mark.style.top") == "60%"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Delete")
    expect(page.locator("#main-picture .click.remove")).to_have_count(1)


def test_masks_without_refined_edges_stand_beside(page):
    picture = open_rocket(page)
    page.get_by_text("Method and edges").click()
    page.get_by_label("Compare").select_option("none")
    other = page.locator("#other-picture")
    expect(other.locator("figcaption")).to_contain_text("edges: none")
    expect(picture.locator("figcaption")).to_contain_text("edges: crf")
    assert is_color(pixel(other, *SKY), CYAN)
    page.get_by_label("Compare").select_option("")
    expect(other).to_be_hidden()


def test_a_photo_of_ones_own_and_labels_of_ones_own(page):
    image = Image.new("RGB", (300, 200), (60, 120, 200))
    image.paste((40, 130, 40), (0, 120, 300, 200))
    data = io.BytesIO()
    image.save(data, "PNG")
    page.get_by_label("Labels", exact=True).fill("blue sky, green lawn")
    page.locator("#file").set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": data.getvalue()}
    )
    expect(page.locator("#said")).to_contain_text("of 2 labels found")
    expect(page.locator("#main-picture img")).to_have_attribute("alt", "mine.png")
    page.get_by_label("Labels", exact=True).fill("sky")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#said")).to_contain_text("of 1 labels found")


def test_the_words_that_were_asked_and_a_config_to_paste(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    open_rocket(page)
    page.get_by_text("Words that were asked").click()
    expect(page.locator("#words")).to_contain_text("sky, tower, rocket")
    expect(page.locator("#words")).to_contain_text("ceiling")
    page.get_by_text("As a labeling config").click()
    page.get_by_role("button", name="Copy the labeling config").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    pasted = page.evaluate("navigator.clipboard.readText()")
    assert '<Label value="rocket" background="#eedd77"/>' in pasted
    page.get_by_label("Labels", exact=True).fill(pasted)
    page.get_by_role("button", name="Find masks").click()
    expect(page.get_by_role("button", name="Find masks")).to_be_enabled()
    expect(page.locator("#label-list li")).to_have_count(3)


def test_what_is_no_photo_is_said_and_the_last_one_stays(page):
    picture = open_rocket(page)
    page.locator("#file").set_input_files(
        {"name": "page.html", "mimeType": "text/html", "buffer": b"<!doctype html><p>login"}
    )
    expect(page.get_by_role("alert")).to_contain_text("A web page came instead of the image")
    assert is_color(pixel(picture, *SKY), CYAN)
    page.get_by_label("Labels", exact=True).fill("<View>")
    page.get_by_role("button", name="Find masks").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid XML")

"""axe-core finds nothing against the page, in each look and state; all of its rules count."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import fail_a_task
from tests.browser.test_page import LOOKS
from tests.browser.test_playground import open_rocket

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="run by make browser")
playwright = pytest.importorskip("playwright.sync_api", reason="run by make browser")
expect = playwright.expect
pytestmark = pytest.mark.browser


def as_it_opens(page: Any) -> None:
    expect(page.locator("#state")).to_contain_text("Ready")


def with_masks_and_all_details(page: Any) -> None:
    open_rocket(page)
    for summary in page.locator("summary").all():
        summary.click()
    page.get_by_label("Compare").select_option("none")
    expect(page.locator("#other-picture figcaption")).to_contain_text("edges: none")


def after_a_click(page: Any) -> None:
    picture = open_rocket(page)
    page.get_by_role("button", name="rocket", exact=True).click()
    picture.locator(".picture").click()  # in its middle: on the rocket
    expect(picture.locator(".click")).to_have_text("+")
    expect(page.locator("#said")).to_contain_text("answered in")


def after_the_check(page: Any) -> None:
    page.get_by_role("button", name="Check the connection").click()
    expect(page.locator(".checks")).to_contain_text("Cure:")


def with_a_refused_photo(page: Any) -> None:
    page.locator("#file").set_input_files(
        {"name": "page.html", "mimeType": "text/html", "buffer": b"<!doctype html><p>login"}
    )
    expect(page.get_by_role("alert")).to_be_visible()


def with_a_project_that_failed(page: Any) -> None:
    fail_a_task(page, "58.1795366020")
    page.reload()
    expect(page.locator("#failures")).to_contain_text("Project 58, predicting")


STATES: tuple[Callable[[Any], None], ...] = (
    as_it_opens,
    with_masks_and_all_details,
    after_a_click,
    after_the_check,
    with_a_refused_photo,
    with_a_project_that_failed,
)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(open_page, look, state):
    page = open_page(**LOOKS[look])
    state(page)
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_axe_sees_what_is_wrong(page):
    page.evaluate("document.documentElement.removeAttribute('lang')")
    page.locator(".quiet").first.evaluate("(text) => { text.style.color = '#bbb' }")
    found = axe.Axe().run(page)
    assert {one["id"] for one in found.response["violations"]} == {
        "color-contrast",
        "html-has-lang",
    }

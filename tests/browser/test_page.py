"""The page as a whole: its looks, its words for screen readers, and what strangers get."""

import base64
import re
from typing import Any

import pytest

from tests.browser.conftest import SHOTS, fail_a_task
from tests.browser.test_playground import open_rocket

playwright = pytest.importorskip("playwright.sync_api", reason="run by make browser")
expect = playwright.expect
pytestmark = pytest.mark.browser

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {
        "color_scheme": "light",
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
        "is_mobile": True,
    },
    "narrow": {"color_scheme": "dark", "viewport": {"width": 320, "height": 700}},
}
TEXTS = (
    "h1", ".top p", ".quiet", "#run", "#said", ".score", "a", ".cure", "td", "dt", "code",
    ".mark.bad, .mark.open, .mark.ok",
)  # fmt: skip
CONTRAST = """(element) => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let around = element, back = [0, 0, 0, 0];
  while (around && !(back[3] ?? 1)) {
    back = rgb(getComputedStyle(around).backgroundColor);
    around = around.parentElement;
  }
  const pair = [light(rgb(getComputedStyle(element).color)), light(back)].sort();
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}"""

# Of all that is visible at one moment: the page renews its status, and with it some of these.
CONTRASTS = f"""(elements) => elements.filter((one) => one.checkVisibility())
  .map((one) => [one.innerText, ({CONTRAST})(one)])"""


@pytest.mark.parametrize("look", LOOKS)
def test_the_page_fits_and_is_legible(open_page, look):
    page = open_page(**LOOKS[look])
    page.screenshot(path=SHOTS / f"{look}-start.png", full_page=True)
    open_rocket(page)
    page.screenshot(path=SHOTS / f"{look}-masks.png")
    for summary in page.locator("summary").all():
        summary.click()
    page.get_by_role("button", name="Check the connection").click()
    expect(page.locator(".checks li").first).to_be_visible()
    page.screenshot(path=SHOTS / f"{look}-all.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    for place in TEXTS:
        for text, contrast in page.locator(place).evaluate_all(CONTRASTS):
            assert contrast >= 4.5, (look, place, text)


def test_everything_has_a_name_and_what_happens_is_read_out(page):
    open_rocket(page)
    for summary in page.locator("summary").all():
        summary.click()
    for kind in ("button", "input", "select", "textarea", "a", "[tabindex]"):
        for element in page.locator(kind).all():
            if element.is_visible():
                expect(element).to_have_accessible_name(re.compile(r"\S"))
    for live in ("#said", "#state", "#checks"):
        assert page.locator(live).evaluate("(e) => e.ariaLive ?? e.role") in ("polite", "status")
    assert page.locator("h1").count() == 1
    page.keyboard.press("Home")
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_check_says_what_it_saw_with_cures(page):
    page.get_by_role("button", name="Check the connection").click()
    checks = page.locator(".checks")
    expect(checks).to_contain_text("data folder")
    expect(checks).to_contain_text("Label Studio: none at http://localhost:8080")
    expect(checks).to_contain_text("Cure:")


@pytest.mark.parametrize("look", ["light", "phone"])
def test_projects_stand_there_with_their_version_and_what_failed(open_page, look):
    page = open_page(**LOOKS[look])
    version = fail_a_task(page, "57.1795366020")
    page.reload()
    row = page.get_by_role("row").filter(has_text="Project 57")
    expect(row).to_contain_text(version)
    expect(row).to_contain_text("no image that can be read")
    expect(row.get_by_role("link")).to_have_attribute("href", re.compile("/projects/57$"))
    expect(page.locator("#failures")).to_contain_text("Project 57, predicting")
    page.locator("#projects").screenshot(path=SHOTS / f"{look}-projects.png")


def test_the_address_to_paste_is_the_one_that_was_opened(page, server):
    expect(page.locator("#address")).to_have_text(server.url.rstrip("/"))
    expect(page.locator("#address-note")).to_contain_text("host.docker.internal")
    expect(page.locator("#degraded")).to_contain_text("CLIP_MODEL=ViT-B-16-quickgelu")


def test_with_a_password_the_page_works_for_who_has_it(open_page, start_server, chromium):
    server = start_server(BASIC_AUTH_USER="ls", BASIC_AUTH_PASS="secret")
    context = chromium.new_context()
    assert context.request.get(server.url, headers={"Accept": "text/html"}).status == 401
    context.close()
    page = open_page(server.url, http_credentials={"username": "ls", "password": "secret"})
    open_rocket(page)
    expect(page.locator("#password-note")).to_be_visible()


def test_another_sites_page_gets_nothing(open_page, server, chromium):
    context = chromium.new_context()
    page = context.new_page()
    page.route("http://elsewhere.test/", lambda route: route.fulfill(
        content_type="text/html", body="<title>elsewhere</title>"))  # fmt: skip
    page.goto("http://elsewhere.test/")
    ask = """async ([url, method]) => {
      const body = method === "POST" ? "{}" : undefined;
      try { return (await fetch(url, { method, mode: "no-cors", body })).type; }
      catch { return "refused"; }
    }"""
    seen = []
    page.on("response", lambda response: seen.append(response.status))
    for path, method in (("page/status", "GET"), ("page/check", "POST"), ("page/segment", "POST")):
        page.evaluate(ask, [server.url + path, method])
    assert set(seen) <= {403}
    frame = f'<iframe src="{server.url}"></iframe>'
    page.goto("data:text/html;base64," + base64.b64encode(frame.encode()).decode())
    page.wait_for_timeout(500)
    assert page.frames[-1].url == "chrome-error://chromewebdata/"
    context.close()

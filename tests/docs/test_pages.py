"""The files, links, anchors and pictures that the pages name exist."""

import re

import pytest

from tests.docs.fenced_blocks import FENCED
from tests.docs.pages import LIVING_PAGES, PAGES, ROOT, anchors_of, name_of

LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?[^)]*\)")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    wrong = []
    for target, anchor in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        path = page.parent / target if target else page
        if not path.exists() or (anchor and anchor not in anchors_of(path)):
            wrong.append(f"{target}#{anchor}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_source_is_used_and_each_that_is_used_is_given(page):
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    assert set(re.findall(r"\]\[(\w+)\]", text)) == set(re.findall(r"(?m)^\[(\w+)\]: http", text))


@pytest.mark.parametrize("page", LIVING_PAGES, ids=name_of)
def test_files_of_the_project_are_called_by_their_names(page):
    named = re.findall(
        r"`((?:backend|model|tests|benchmarks|docs|examples)/[\w/]+\.(?:py|md|jpg|png|xml))`",
        page.read_text(encoding="utf-8"),
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_of_the_documentation_is_reached_from_the_readme():
    named = {target for target, _ in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    pages = {name_of(page) for page in PAGES if not page.is_relative_to(ROOT / "benchmarks")}
    assert pages - named == {"README.md"}


def test_the_readme_stays_a_landing_page():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130

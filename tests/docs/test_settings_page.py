"""docs/settings.md says of each extra param what the code says of it.

The server's settings are held to it by tests/backend/test_settings.py.
"""

import re
from typing import Any

import pytest

from backend.label_studio.project_settings import ProjectSettings
from model import METHODS, REFINERS, TEMPLATES
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## Extra params")[2].partition("\n## ")[0]
ROWS = {
    cells[0].strip("`"): cells[1:]
    for line in re.findall(r"(?m)^\| (`.*) \|$", TABLE)
    for cells in [line.split(" | ")]
}


def default_of(value: Any) -> tuple[str, ...]:
    """What the last cell may say of this default."""
    if value is None:
        return ("the method's", "`METHOD`", "`REFINER`, else the method's")
    if isinstance(value, bool):
        return (str(value).lower(),)
    return (str(value), f"`{value}`") if value not in ((), {}) else ("none",)


def test_the_table_lists_exactly_the_extra_params():
    assert set(ROWS) == set(ProjectSettings.model_fields)


@pytest.mark.parametrize("key", ProjectSettings.model_fields)
def test_a_row_has_purpose_and_default_of_the_field(key):
    meaning, _, default = ROWS[key]
    field = ProjectSettings.model_fields[key]
    assert field.description
    assert meaning.startswith(field.description)
    assert default in default_of(field.default)


def test_the_names_to_choose_from_are_all_there():
    assert set(re.findall(r"`(\w+)`", ROWS["templates"][1])) == set(TEMPLATES)
    assert set(re.findall(r"`(\w+)`", ROWS["refiner"][1])) == set(REFINERS)


def test_every_method_is_in_the_table_of_methods():
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    table = page.partition("## Methods")[2].partition("\n## ")[0]
    cells = re.findall(r"(?m)^\| (`[^|]+) \|", table)
    assert {name for cell in cells for name in re.findall(r"`([\w-]+)`", cell)} == set(METHODS)

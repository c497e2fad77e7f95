"""The release is stated in one way."""

import re
from pathlib import Path

from backend.release import RELEASE


def test_the_release_is_that_of_the_project_file():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r'(?m)^version = "(.+)"$', text) == [RELEASE]

"""constraints.txt: how it is written, and that it covers what the requirements name."""

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts.freeze_constraints import constraint_lines, frozen_versions

ROOT = Path(__file__).parents[2]


def requirements(name: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-r")]


CONSTRAINTS = requirements("constraints.txt")
REQUIRED = requirements("requirements.txt") + requirements("requirements-dev.txt")


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_a_version_that_all_pythons_share_needs_no_marker():
    assert constraint_lines({"3.10": {"flask": "3.1"}, "3.9": {"flask": "3.1"}}) == ["flask==3.1"]


def test_versions_that_differ_are_told_apart_by_the_python():
    versions = {"3.13": {"a": "3"}, "3.9": {"a": "1"}, "3.10": {"a": "2"}, "3.12": {"a": "2"}}
    assert constraint_lines(versions) == [
        'a==1 ; python_version < "3.10"',
        'a==2 ; python_version >= "3.10" and python_version < "3.13"',
        'a==3 ; python_version >= "3.13"',
    ]


def test_a_package_of_one_python_alone_is_pinned_once():
    assert constraint_lines({"3.10": {"tomli": "2.0"}, "3.11": {}}) == ["tomli==2.0"]


def test_no_package_of_one_platform_is_frozen():
    names = frozen_versions(Path(sys.prefix))
    assert {"torch", "flask", "pytest"} <= names.keys()
    assert not [name for name in names if name.startswith(("nvidia-", "cuda-", "triton"))]
    assert not [version for version in names.values() if "+" in version]


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_every_requirement_is_pinned_once_to_a_version_it_accepts(python):
    holding = [
        c for c in CONSTRAINTS if not c.marker or c.marker.evaluate({"python_version": python})
    ]
    for required in REQUIRED:
        pins = [c.specifier for c in holding if normalized(c.name) == normalized(required.name)]
        assert len(pins) == 1, required.name
        (pin,) = pins[0]
        assert pin.operator == "=="
        assert pin.version in required.specifier

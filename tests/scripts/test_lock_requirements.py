"""docker/*.lock: what requirements.txt asks for, at the versions of constraints.txt, by hash."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.lock_requirements import CONTENTS, OF_TORCH, PYTHON

ROOT = Path(__file__).parents[2]
IMAGE = {"python_version": PYTHON, "platform_machine": "x86_64", "sys_platform": "linux"}
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def requirements_in(path: str) -> dict[str, Requirement]:
    """By name, those that count in the image."""
    text = re.sub(r"\\\n|#.*", "", (ROOT / path).read_text(encoding="utf-8"))
    lines = [HASH.sub("", line).strip() for line in text.splitlines()]
    found = [Requirement(line) for line in lines if line]
    return {
        canonicalize_name(one.name): one
        for one in found
        if one.marker is None or one.marker.evaluate(IMAGE)
    }


def pins_of(lock: str) -> dict[str, str]:
    """Version by name."""
    pins = {}
    for name, requirement in requirements_in(f"docker/{lock}").items():
        (one,) = requirement.specifier
        assert one.operator == "=="
        pins[name] = one.version
    return pins


PINS = {name: version for lock in CONTENTS for name, version in pins_of(lock).items()}


def test_all_that_is_required_is_locked_at_a_version_that_will_do():
    for name, requirement in requirements_in("requirements.txt").items():
        assert requirement.specifier.contains(PINS[name]), requirement


def test_every_version_is_the_tested_one():
    tested = requirements_in("constraints.txt")
    untested = {name for name in PINS if name not in tested}
    assert {name for name in untested if not OF_TORCH.match(name)} == set()
    for name in PINS.keys() - untested:
        assert tested[name].specifier.contains(PINS[name], prereleases=True), name


@pytest.mark.parametrize("lock", CONTENTS)
def test_every_package_has_hashes(lock):
    blocks = re.split(r"(?m)^(?=[a-z0-9])", (ROOT / "docker" / lock).read_text(encoding="utf-8"))
    assert len(blocks[1:]) == len(pins_of(lock)) > 0
    for block in blocks[1:]:
        assert HASH.search(block), block


def test_what_belongs_to_the_cuda_build_is_not_in_the_lock_of_both_builds():
    common, cuda = (set(pins_of(lock)) for lock in CONTENTS)
    assert {"torch", "torchvision", "triton"} <= cuda
    assert [name for name in common if OF_TORCH.match(name)] == []
    assert [name for name in cuda if not OF_TORCH.match(name)] == []

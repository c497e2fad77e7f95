"""The import rules of docs/architecture.md, as a test: imports run downwards only."""

import ast
import re
from pathlib import Path

import pytest

import model

ROOT = Path(__file__).parents[1]
SERVING = {"backend", "flask", "gunicorn", "redis", "label_studio_ml", "label_studio_sdk"}
TREES = ("backend", "model")


def listed_order(tree: str) -> list[str]:
    """The lines of the tree's list in docs/architecture.md, from top to bottom."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = re.split(r"(?m)^#", page.partition(f"### {tree}/\n")[2])[0]
    return re.findall(r"(?m)^\d+\. (.+)$", section)


def order_of(tree: str) -> dict[str, tuple[int, int]]:
    """Line of each package, and its group on that line: + joins packages to one."""
    return {
        package: (line, group)
        for line, listed in enumerate(listed_order(tree))
        for group, names in enumerate(listed.split(","))
        for package in re.findall(r"`(\w+)`", names)
    }


ORDER = {tree: order_of(tree) for tree in TREES}


def may_import(tree: str, importer: str, imported: str) -> bool:
    (line, group), (other_line, other_group) = ORDER[tree][importer], ORDER[tree][imported]
    return other_line > line or (other_line, other_group) == (line, group)


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(path: Path) -> set[str]:
    """Full dotted names imported by a file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def package_of(path: Path) -> tuple[str, str]:
    """Tree and package: model/text/words.py -> ("model", "text")."""
    tree, *parts = path.relative_to(ROOT).with_suffix("").parts
    return tree, parts[0]


@pytest.mark.parametrize("path", files_of("model"), ids=relative)
def test_model_knows_no_serving_library(path):
    assert not {name.split(".")[0] for name in imports_of(path)} & SERVING


@pytest.mark.parametrize("path", files_of("model"), ids=relative)
def test_model_files_import_siblings_never_their_own_front_door(path):
    assert not imports_of(path) & {f"model.{name}" for name in model.__all__}


@pytest.mark.parametrize("path", files_of("backend"), ids=relative)
def test_backend_sees_model_only_through_its_front_door(path):
    seen = {name for name in imports_of(path) if name.split(".")[0] == "model"}
    assert seen <= {f"model.{name}" for name in model.__all__}


@pytest.mark.parametrize("path", files_of("backend") + files_of("model"), ids=relative)
def test_imports_run_downwards(path):
    tree, package = package_of(path)
    if package == "__init__":
        return
    imported = {name.split(".")[1] for name in imports_of(path) if name.startswith(f"{tree}.")}
    assert not {one for one in imported if not may_import(tree, package, one)}


@pytest.mark.parametrize("tree", TREES)
def test_the_order_lists_every_package_once(tree):
    there = {package_of(path)[1] for path in files_of(tree)} - {"__init__"}
    assert set(ORDER[tree]) == there
    assert len(re.findall(r"`\w+`", "".join(listed_order(tree)))) == len(there)


def test_the_rule_tells_upwards_from_downwards():
    assert may_import("model", "segmenter", "encoder")
    assert may_import("model", "encoder", "encoder")
    assert not may_import("model", "encoder", "scoring")
    assert not may_import("model", "text", "segmenter")
    assert may_import("backend", "images", "label_studio")


@pytest.mark.parametrize("path", files_of("backend"), ids=relative)
def test_only_settings_read_the_environment(path):
    if path == ROOT / "backend" / "settings.py":
        return
    source = path.read_text(encoding="utf-8")
    assert "os.environ" not in source
    assert "getenv" not in source


ALL_TREES = (*TREES, "tests", "benchmarks", "scripts")


@pytest.mark.parametrize("path", [f for tree in ALL_TREES for f in files_of(tree)], ids=relative)
def test_a_file_can_be_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


def test_the_front_door_has_what_it_lists():
    assert [name for name in model.__all__ if not hasattr(model, name)] == []

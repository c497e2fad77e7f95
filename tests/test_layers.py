"""The import rules of the architecture, as a test: imports run downwards only."""

import ast
from pathlib import Path

import pytest

import model

ROOT = Path(__file__).parents[1]
SERVING = {"backend", "flask", "gunicorn", "redis", "label_studio_ml", "label_studio_sdk"}

# The packages of backend/ from top to bottom; a file imports from its own package or those below.
ORDER = (
    ("__main__",),
    ("commands",),
    ("wsgi",),
    ("http",),
    ("service",),
    ("learning",),
    ("prediction",),
    ("memory", "masks"),
    ("images",),
    ("label_studio",),
    ("store",),
    ("concurrency",),
    ("metrics", "settings"),
    ("validation", "errors"),
)


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


def level_of(part: str) -> int:
    return next(level for level, parts in enumerate(ORDER) if part in parts)


def top_part(path: Path) -> str:
    return path.relative_to(ROOT / "backend").with_suffix("").parts[0]


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


@pytest.mark.parametrize("path", files_of("backend"), ids=relative)
def test_backend_imports_run_downwards(path):
    if top_part(path) == "__init__":
        return
    imported = {name.split(".")[1] for name in imports_of(path) if name.startswith("backend.")}
    upwards = {name for name in imported if level_of(name) < level_of(top_part(path))}
    assert not upwards


@pytest.mark.parametrize("path", files_of("backend"), ids=relative)
def test_only_settings_read_the_environment(path):
    if path == ROOT / "backend" / "settings.py":
        return
    source = path.read_text(encoding="utf-8")
    assert "os.environ" not in source
    assert "getenv" not in source


TREES = ("backend", "model", "tests", "benchmarks")


@pytest.mark.parametrize("path", [f for tree in TREES for f in files_of(tree)], ids=relative)
def test_a_file_can_be_read_in_one_sitting(path):
    if path.name in ("templates.py", "methods.py"):  # data
        return
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


def test_the_front_door_has_what_it_lists():
    assert [name for name in model.__all__ if not hasattr(model, name)] == []

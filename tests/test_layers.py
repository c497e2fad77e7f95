"""The import rules of the architecture, as a test: imports run downwards only."""

import ast
from pathlib import Path

import pytest

import model

ROOT = Path(__file__).parents[1]
SERVING = {"backend", "flask", "gunicorn", "redis", "label_studio_ml", "label_studio_sdk"}

# From the door to the cellar; a file imports from floors below its own, or from its own floor.
FLOORS = (
    {"__main__"},
    {"cli"},
    {"server", "photo", "plugin", "doctor", "memory_commands"},
    {"wsgi"},
    {"app", "prelabel"},
    {"annotator", "learner", "versions"},
    {"vocabulary", "prompts", "projects", "batcher", "text_cache", "corrections", "regions"}
    | {"question", "recall", "memory_store", "memory_file", "feature_cache", "taught", "shown"},
    {"labels", "images", "project_settings"},
)


def files_of(room: str) -> list[Path]:
    return sorted((ROOT / room).glob("*.py"))


def imports_of(path: Path) -> set[str]:
    """Full dotted names imported by a file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def floor_of(name: str) -> int:
    """0 at the door; files not listed are the cellar, which everybody may use."""
    return next((floor for floor, names in enumerate(FLOORS) if name in names), len(FLOORS))


@pytest.mark.parametrize("path", files_of("model"), ids=lambda path: path.name)
def test_model_knows_no_serving_library(path):
    assert not {name.split(".")[0] for name in imports_of(path)} & SERVING


@pytest.mark.parametrize("path", files_of("model"), ids=lambda path: path.name)
def test_model_files_import_siblings_never_their_own_front_door(path):
    assert not imports_of(path) & {f"model.{name}" for name in model.__all__}


@pytest.mark.parametrize("path", files_of("backend"), ids=lambda path: path.name)
def test_backend_sees_model_only_through_its_front_door(path):
    seen = {name for name in imports_of(path) if name.split(".")[0] == "model"}
    assert seen <= {f"model.{name}" for name in model.__all__}


@pytest.mark.parametrize("path", files_of("backend"), ids=lambda path: path.name)
def test_backend_imports_run_downwards(path):
    imported = {name.split(".")[1] for name in imports_of(path) if name.startswith("backend.")}
    upwards = {name for name in imported if floor_of(name) < floor_of(path.stem)}
    assert not upwards


@pytest.mark.parametrize("path", files_of("backend"), ids=lambda path: path.name)
def test_only_settings_read_the_environment(path):
    if path.name == "settings.py":
        return
    source = path.read_text(encoding="utf-8")
    assert "os.environ" not in source
    assert "getenv" not in source


@pytest.mark.parametrize(
    "path", files_of("backend") + files_of("model"), ids=lambda path: path.name
)
def test_a_file_can_be_read_in_one_sitting(path):
    if path.name in ("templates.py", "methods.py"):  # data
        return
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


def test_the_front_door_has_what_it_lists():
    assert [name for name in model.__all__ if not hasattr(model, name)] == []

"""What the pages tell to type is understood: commands, options, make targets and variables.

Blocks of commands are run by test_commands.py as well; this reads the inline ones, too, and those
of every page.
"""

import re
import shlex
from pathlib import Path

import pytest

from backend.commands.cli import build_parser
from backend.label_studio.webhook_events import REQUIRED_KEYS
from backend.settings import Settings, names_of
from tests.docs.pages import LIVING_PAGES, ROOT, code_in, name_of

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SETTINGS = {name for field in Settings.model_fields for name in names_of(field)}
# Variables of others, by whose they are.
OTHERS = {
    "Label Studio": {
        "USE_DEFAULT_BANNED_SUBNETS",
        "USER_ADDITIONAL_BANNED_SUBNETS",
        "ML_BLOCK_LOCAL_IP",
        "SSRF_PROTECTION_ENABLED",
        "ML_TIMEOUT_PREDICT",
    },
    "Ray": {"RAY_ADDRESS"},
    "the hub of models": {"HF_HUB_OFFLINE"},
    "OpenMP": {"OMP_NUM_THREADS"},
    "docker/": set(re.findall(r"\b[A-Z][A-Z_]+\b", (ROOT / "docker/compose.yaml").read_text())),
    "tests/browser": {"SERVER_PYTHON", "CHROMIUM", "SHOTS"},
    "tests/e2e": {"E2E_WITHOUT_BROWSER"},
    "Label Studio's events": set(REQUIRED_KEYS),
}


@pytest.mark.parametrize("page", LIVING_PAGES, ids=name_of)
def test_each_backend_command_is_one(page, capsys):
    for code in code_in(page):
        named = re.search(r"\bpython3? -m backend (.+)$", code)
        if named and "…" not in code:
            assert is_understood(shlex.split(named[1])), f"{code}: {capsys.readouterr().err}"


def is_understood(arguments: list[str]) -> bool:
    try:
        build_parser().parse_args(arguments)
    except SystemExit as stopped:  # 0: of --help
        return stopped.code == 0
    return True


@pytest.mark.parametrize("page", LIVING_PAGES, ids=name_of)
def test_each_benchmark_and_its_options_exist(page):
    for code in code_in(page):
        if named := re.match(r"(?:\S*python )?(?:-m )?benchmarks\.([a-z]\w*)(.*)$", code):
            source = source_of(ROOT / "benchmarks" / f"{named[1]}.py")
            for option in re.findall(r"(?<!\S)--[a-z-]+", named[2]):
                assert f'"{option}"' in source, code


def source_of(path: Path) -> str:
    """A benchmark's source with that of the benchmarks that it imports."""
    source = path.read_text(encoding="utf-8")
    for module in re.findall(r"(?m)^from benchmarks\.(\w+) import", source):
        source += (ROOT / "benchmarks" / f"{module}.py").read_text(encoding="utf-8")
    return source


@pytest.mark.parametrize("page", LIVING_PAGES, ids=name_of)
def test_each_make_target_exists(page):
    targets = set(re.findall(r"(?m)^([a-z][\w-]*):", MAKEFILE))
    for code in code_in(page):
        if named := re.match(r"make (?:[A-Z_]+=\S+ )*([a-z][\w-]*)", code):
            assert named[1] in targets, code


@pytest.mark.parametrize("page", LIVING_PAGES, ids=name_of)
def test_each_variable_exists(page):
    known = SETTINGS.union(*OTHERS.values(), re.findall(r"(?m)^([A-Z_]+) \?=", MAKEFILE))
    for code in code_in(page):
        named = re.findall(r"(?<![\w.{<\"/])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w.(])", code)
        named += re.findall(r"(?<!\S)([A-Z]{3,})=", code)
        assert set(named) <= known, code

"""docs/http.md says what the service does: its routes, answers, settings and metrics."""

import json
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from backend.errors import FirstpassError, SettingsError, StoreError
from backend.http.photo_shelf import PhotoGone
from backend.prediction.prediction_items import IN_BACKGROUND
from tests.docs.fenced_blocks import Block, blocks_of
from tests.support.open_api import document_of
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "http.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = blocks_of(PAGE)
EXAMPLES = [
    (command, answer)
    for command, answer in pairwise(BLOCKS)
    if (command.language, answer.language) == ("sh", "json")
]


def section(heading: str) -> str:
    return re.split(r"(?m)^#+ ", TEXT.partition(f"# {heading}\n")[2])[0]


def first_column(table: str) -> set[str]:
    """The names in code style in the first cells of a table's rows."""
    cells = re.findall(r"(?m)^\|([^|]+)\|", table)
    return {name for cell in cells for name in re.findall(r"`([\w/<>.]+)`", cell)}


def run(block: Block, url: str) -> str:
    if shutil.which("curl") is None:
        pytest.skip("the examples need curl")
    command = block.text.replace("http://127.0.0.1:9090", url)
    return subprocess.run(
        ["bash", "-euc", command], cwd=ROOT, check=True, capture_output=True, text=True, timeout=120
    ).stdout


def differences(documented: Any, real: Any, where: str = "answer") -> list[str]:
    """Where the keys or JSON types differ; lists as far as both go, never an empty one."""
    if documented is None or real is None:  # a value that may be absent
        return []
    if type(documented) is not type(real):
        return [f"{where}: {type(documented).__name__} is {type(real).__name__}"]
    if isinstance(documented, dict):
        found = [f"{where}.{key}" for key in sorted(documented.keys() ^ real.keys())]
        for key in documented.keys() & real.keys():
            found += differences(documented[key], real[key], f"{where}.{key}")
        return found
    if isinstance(documented, list) and documented:
        pairs = enumerate(zip(documented, real, strict=False))
        found = [line for n, both in pairs for line in differences(*both, f"{where}[{n}]")]
        return found if real else [f"{where} is empty"]
    return []


def test_every_route_is_described(client):
    rules = client.application.url_map.iter_rules()
    routes = {
        f"{method} {rule.rule}"
        for rule in rules
        if not rule.endpoint.endswith("static")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    headings = "\n".join(re.findall(r"(?m)^##+ .*", TEXT))
    assert set(re.findall(r"(?:GET|POST) /[\w/<>.]*", headings)) == routes
    assert first_column(TEXT.partition("\n**Bodies**")[0]) >= {r.split()[1] for r in routes}


def test_every_error_of_the_openapi_document_is_described(make_client):
    protected = make_client(basic_auth_user="ls", basic_auth_pass="secret").application
    documented = {
        (int(status), code)
        for operations in document_of(protected)["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        for content in answer["content"].values()
        for code in content.get("schema", {}).get("properties", {}).get("error", {}).get("enum", [])
    }
    table = TEXT.partition("| status | `error` | when |")[2].partition("\n## ")[0]
    described = {
        (int(status), code)
        for statuses, codes in re.findall(r"(?m)^\| ([\d, ]+) \| (.*?) \|", table)
        for status in statuses.split(",")
        for code in re.findall(r"`(\w+)`", codes)
    }
    assert documented | {(405, "http")} == described


def test_every_metric_is_described(starter_service):
    families = re.findall(r"(?m)^# TYPE (\S+)", starter_service.ask("GET", "/metrics").text)
    assert first_column(section("GET /metrics")) == set(families)


def test_every_error_code_of_a_task_is_described():
    def codes(error: type[FirstpassError]) -> set[str]:
        return {error.code}.union(*map(codes, error.__subclasses__()))

    of_no_task = (FirstpassError, SettingsError, StoreError, PhotoGone)
    raised = codes(FirstpassError) - {error.code for error in of_no_task}
    named = re.search(r"`error.code` is one of(.*?)\.\n", section("POST /predict"), re.DOTALL)
    assert named
    raised_by_none_of_ours = {"model", "internal", IN_BACKGROUND}
    found = set(re.findall(r"`([a-z_]+)`", named[1]))
    assert found == raised - {"image"} | raised_by_none_of_ours


@pytest.mark.parametrize(("command", "answer"), EXAMPLES, ids=lambda block: str(block.line))
def test_an_example_is_answered_as_described(starter_service, command, answer):
    described = json.loads(re.sub(r",\s*…", "", answer.text))
    wait_until(lambda: "firstpass_queue_size 0.0" in starter_service.ask("GET", "/metrics").text)
    real = json.loads(run(command, starter_service.url))
    assert differences(described, real) == []


def test_each_route_has_an_example():
    asked = {re.findall(r"9090(/\w*)", command.text)[0] for command, _ in EXAMPLES}
    assert asked == {"/health", "/setup", "/predict", "/webhook", "/versions", "/ready", "/page"}

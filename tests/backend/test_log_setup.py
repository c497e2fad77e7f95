"""Nobody outside writes a line of the log, and libraries quote no addresses in it."""

import io
import logging

import pytest

from backend.log_setup import OneLineEach, escape_control_characters
from tests.support.running_service import RunningService

FORGED = "12:00:00 ERROR   forged"


@pytest.mark.parametrize(
    "end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\x1b[2K"]
)
def test_a_message_is_one_line_whatever_is_in_it(end):
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(OneLineEach())
    log = logging.Logger("x")
    log.addHandler(handler)
    log.warning("project %s: %s", f"1{end}{FORGED}", "Grüße 東京")
    assert len(out.getvalue().splitlines()) == 1
    assert "Grüße 東京" in out.getvalue()
    assert end not in out.getvalue()[:-1]


def test_the_text_of_an_error_begins_no_line_of_its_own():
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(OneLineEach())
    log = logging.Logger("x")
    log.addHandler(handler)
    try:
        raise ValueError(f"a\n{FORGED}")
    except ValueError:
        log.exception("failed")
    lines = out.getvalue().splitlines()
    assert lines[0] == "failed"
    assert all(line.startswith("  ") for line in lines[1:])


def test_what_can_be_printed_stays():
    assert escape_control_characters('a\\n "ü" \udc80\n') == 'a\\n "ü" \\udc80\\n'


def test_ids_and_paths_of_requests_forge_no_line(running: RunningService):
    forged = f"1.1\n{FORGED}"
    running.ask("POST", "/setup", json={"project": forged, "extra_params": {"k": f"\n{FORGED}"}})
    running.ask("POST", "/predict", json={"tasks": [{"id": forged, "data": {}}], "project": forged,
                                          "label_config": "<View/>"})  # fmt: skip
    event = {"action": "ANNOTATION_CREATED", "project": {"id": forged}, "task": {"id": forged},
             "annotation": {"id": forged, "result": []}}  # fmt: skip
    running.ask("POST", "/webhook", json=event)
    running.ask("POST", f"/%0a{FORGED}")
    running.ask("POST", "/predict", data=b"", headers={"Content-Type": f"a/b {FORGED}"})
    log = running.log.read_text()
    assert FORGED in log
    assert [line for line in log.splitlines() if line.startswith(FORGED)] == []

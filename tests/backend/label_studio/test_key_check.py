"""The API key is tried before an image needs it, and each way to fail has its own sentence."""

import logging

import pytest

from backend.label_studio import key_check
from backend.label_studio.client import LabelStudio
from backend.label_studio.key_check import KeyCheck
from tests.support.fake_label_studio import LEGACY, PERSONAL, jwt
from tests.support.logs import warnings_of
from tests.support.scarce_threads import let_threads_end, refuse_threads
from tests.support.waiting import wait_until

REVOKED = jwt(token_type="refresh", exp=8102577163, iat=1795377163, jti="another", user_id="1")


def tried(studio: LabelStudio) -> str:
    """Why the key does not work; "" if it does."""
    check = KeyCheck(studio)
    check.try_now()
    return check.problem or ""


@pytest.mark.parametrize("api_key", [LEGACY, PERSONAL])
def test_a_key_that_label_studio_accepts_is_no_problem(server, api_key, caplog):
    caplog.set_level(logging.INFO)
    assert tried(LabelStudio(server.url, api_key)) == ""
    assert f"Label Studio at {server.url} accepts the " in caplog.text


@pytest.mark.parametrize(
    ("api_key", "words"),
    [
        (None, "No LABEL_STUDIO_API_KEY is given"),
        (REVOKED, "refuses the personal access token (Token is invalid): the token was revoked"),
        (LEGACY, "refuses the legacy token"),
        ("hunter2", "refuses the token of no known kind"),
    ],
)
def test_a_key_that_is_missing_or_refused_is_said_by_its_kind(server, api_key, words, caplog):
    server.is_legacy_allowed = False
    assert words in tried(LabelStudio(server.url, api_key))
    assert len(warnings_of(caplog)) == (api_key is not None)


def test_a_label_studio_that_does_not_answer_refuses_no_key(caplog):
    assert "could not be tried" in tried(LabelStudio("http://127.0.0.1:9", PERSONAL))
    assert warnings_of(caplog) == []


def test_the_token_of_setup_is_tried_when_it_comes_and_told_from_ours(server):
    studio = LabelStudio(server.url)
    check = KeyCheck(studio)
    check.note_setup(is_key_new=studio.update_from_setup("http://x", LEGACY))
    wait_until(lambda: check.problem is None)
    server.is_legacy_allowed = False
    check.try_now()
    assert "No LABEL_STUDIO_API_KEY is given, and Label Studio refuses the legacy token" in (
        check.problem or ""
    )
    asked = len(server.asked)
    check.note_setup(is_key_new=studio.update_from_setup("http://x", LEGACY))  # the same: not now
    assert len(server.asked) == asked


@pytest.mark.parametrize(
    ("scarce", "words"),
    [(refuse_threads, "no memory for a thread"), (let_threads_end, "Nothing came of trying")],
)
def test_a_key_that_found_no_thread_is_said_and_tried_at_a_later_setup(
    server, monkeypatch, scarce, words
):
    check = KeyCheck(LabelStudio(server.url, LEGACY))
    with monkeypatch.context() as patch:
        scarce(patch)
        check.try_later()  # the start of a `threading.Thread` would raise, or never return
    check.note_setup(is_key_new=False)
    assert server.asked == []  # it is not due yet
    monkeypatch.setattr(key_check, "RETRY_S", 0.0)
    assert words in (check.problem or "")
    check.note_setup(is_key_new=False)
    wait_until(lambda: len(server.asked) > 0)
    wait_until(lambda: check.problem is None)

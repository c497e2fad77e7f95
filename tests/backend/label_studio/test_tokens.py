"""Tokens of Label Studio: each kind is sent in its own way, and renewed in time."""

import threading

import pytest

from backend.errors import LabelStudioError
from backend.label_studio.client import LabelStudio
from backend.label_studio.tokens import token_kind
from tests.support.fake_label_studio import (
    LEGACY,
    PERSONAL,
    WHOAMI,
    as_json,
    jwt,
)


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("api_key", "kind"),
    [
        (None, "none"),
        ("", "none"),
        (LEGACY, "legacy"),
        (PERSONAL, "refresh"),
        (jwt(token_type="access", exp=2, iat=1), "access"),
        (PERSONAL.rpartition(".")[0], "truncated"),  # as lists of tokens show it
        ("hunter2", "unknown"),
        (LEGACY[:-1], "unknown"),
        ("a.b.c", "unknown"),
        ("W10.W10.W10", "unknown"),  # base64 of [], which is no claims
    ],
)
def test_the_kind_of_a_token_is_told_by_its_form(api_key, kind):
    assert token_kind(api_key) == kind


def test_a_legacy_token_is_sent_as_it_is(server):
    assert LabelStudio(server.url, LEGACY).get_json(WHOAMI)["email"] == "admin@example.com"
    assert server.asked[-1].authorization == f"Token {LEGACY}"
    assert server.exchanges == 0


def test_a_personal_token_is_exchanged_once_for_many_requests(server):
    studio = LabelStudio(server.url, PERSONAL)
    for _ in range(3):
        studio.get(WHOAMI)
    assert server.exchanges == 1
    assert server.asked[-1].authorization.startswith("Bearer ")
    assert PERSONAL not in {asked.authorization for asked in server.asked}


def test_an_access_token_is_renewed_before_it_expires(server):
    clock = Clock()
    studio = LabelStudio(server.url, PERSONAL, clock=clock)
    studio.get(WHOAMI)
    clock.now_s += 269  # its life is 300 s, on Label Studio's own clock
    studio.get(WHOAMI)
    assert server.exchanges == 1
    clock.now_s += 2
    studio.get(WHOAMI)
    assert server.exchanges == 2


def test_a_short_lived_access_token_is_still_used_for_half_its_life(server):
    server.access_life_s = 10
    clock = Clock()
    studio = LabelStudio(server.url, PERSONAL, clock=clock)
    studio.get(WHOAMI)
    clock.now_s += 4
    studio.get(WHOAMI)
    assert server.exchanges == 1


def test_a_refused_access_token_is_renewed_once_and_the_request_repeated(server):
    studio = LabelStudio(server.url, PERSONAL)
    studio.get(WHOAMI)
    server.valid_access.clear()  # Label Studio was restarted with another secret
    assert studio.get_json(WHOAMI)["id"] == 1
    assert server.exchanges == 2


def test_a_token_that_stays_refused_is_not_renewed_for_ever(server):
    server.is_known = lambda authorization: False
    with pytest.raises(LabelStudioError, match=r"refuses the personal access token.*revoked"):
        LabelStudio(server.url, PERSONAL).get(WHOAMI)
    assert server.exchanges == 2


def test_threads_share_one_exchange(server):
    studio = LabelStudio(server.url, PERSONAL)
    found: list[dict] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        found.append(studio.headers_for(server.url))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.exchanges == 1
    assert len(found) == 8
    assert len({headers["Authorization"] for headers in found}) == 1


def test_threads_that_are_refused_together_renew_once(server):
    studio = LabelStudio(server.url, PERSONAL)
    refused = studio.headers_for(server.url)
    assert studio.discard_refused_token(refused)
    renewed = studio.headers_for(server.url)
    assert studio.discard_refused_token(refused)  # a second thread, late, with the same old token
    assert studio.headers_for(server.url) == renewed
    assert server.exchanges == 2


def test_a_refused_exchange_answers_for_a_while_then_is_tried_again(server):
    clock = Clock()
    server.pages["/api/token/refresh/"] = as_json({"detail": "Token is blacklisted"}, 401)
    studio = LabelStudio(server.url, PERSONAL, clock=clock)
    for _ in range(3):
        with pytest.raises(LabelStudioError, match=r"Token is blacklisted.*Personal Access Token"):
            studio.headers_for(server.url)
    assert len(server.asked) == 1
    server.pages["/api/token/refresh/"] = server.exchange
    clock.now_s += 6
    assert studio.headers_for(server.url)


@pytest.mark.parametrize(
    ("api_key", "cure"),
    [
        (None, "no token is given.*LABEL_STUDIO_API_KEY"),
        (LEGACY, "legacy tokens are off by default.*Access Token Settings"),
        (jwt(token_type="access", exp=2, iat=1), "lives five minutes"),
        (PERSONAL.rpartition(".")[0], "copied without its last part"),
        ("hunter2", "neither 40 hex digits nor"),
    ],
)
def test_a_refused_token_is_told_with_its_own_cure(server, api_key, cure):
    server.is_legacy_allowed = False
    with pytest.raises(LabelStudioError, match=cure) as failure:
        LabelStudio(server.url, api_key).get(WHOAMI)
    assert "hunter2" not in str(failure.value)

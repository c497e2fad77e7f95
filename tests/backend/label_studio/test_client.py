"""The API of Label Studio: its address, its answers, and who is told the token."""

import json

import numpy as np
import pytest

from backend.errors import LabelStudioError, SettingsError
from backend.label_studio.answers import Unavailable
from backend.label_studio.client import LabelStudio
from tests.support.fake_label_studio import (
    LEGACY,
    PERSONAL,
    WHOAMI,
    Asked,
    Reply,
    as_json,
)


@pytest.mark.parametrize(
    ("studio_url", "url", "is_own"),
    [
        ("http://ls:8080", "http://ls:8080/data/upload/1/a.png", True),
        ("http://ls:8080", "http://LS:8080/a", True),
        ("http://ls:8080/", "http://ls:8080", True),
        ("http://ls", "http://ls:80/a", True),
        ("http://ls", "https://ls/a", True),  # the server's own redirect to https
        ("https://ls", "http://ls/a", False),  # a downgrade would show the token to the wire
        ("http://ls:8080", "http://ls:9090/a", False),  # another program
        ("http://ls:8080", "http://ls.evil.com:8080/a", False),
        ("http://ls:8080", "http://ls:8080@evil.com/a", False),
        ("http://ls:8080", "http://evil.com/?http://ls:8080/", False),
        (None, "http://ls:8080/a", False),
    ],
)
def test_the_token_goes_to_the_own_origin_alone(studio_url, url, is_own):
    studio = LabelStudio(studio_url, LEGACY)
    assert studio.is_own(url) is is_own
    assert bool(studio.headers_for(url)) is is_own


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/data/upload/1/a.png", "http://host/sub/data/upload/1/a.png"),
        ("/sub/data/upload/1/a.png", "http://host/sub/data/upload/1/a.png"),
        ("/subway/a.png", "http://host/sub/subway/a.png"),
        ("api/version", "http://host/sub/api/version"),
    ],
)
def test_a_sub_path_is_added_once(path, url):
    assert LabelStudio("http://host/sub/").url_of(path) == url


def test_the_name_that_label_studio_gives_itself_is_replaced_by_where_we_reach_it():
    studio = LabelStudio("http://label-studio:8080")
    studio.update_from_setup("http://localhost:8080/", None)
    assert (
        studio.to_reachable_url("http://localhost:8080/data/a") == "http://label-studio:8080/data/a"
    )
    assert studio.to_reachable_url("http://localhost:80801/a") == "http://localhost:80801/a"
    assert studio.to_reachable_url("http://elsewhere/a") == "http://elsewhere/a"


def test_a_token_of_setup_is_used_only_when_none_was_given(server):
    studio = LabelStudio(server.url)
    studio.update_from_setup("http://evil.example", LEGACY)
    assert studio.get_json(WHOAMI)["id"] == 1
    assert not studio.headers_for("http://evil.example/")

    studio = LabelStudio(server.url, PERSONAL)
    studio.update_from_setup(None, LEGACY)
    assert studio.key_kind == "refresh"


def test_a_setup_that_says_nonsense_of_itself_teaches_nothing(server):
    studio = LabelStudio(server.url)
    studio.update_from_setup(7, ["token"])
    assert studio.api_key is None
    assert studio.to_reachable_url("http://7/a") == "http://7/a"


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://ls", "http://", "http://ls:port"])
def test_an_address_without_scheme_or_host_stops_the_start(url):
    with pytest.raises(SettingsError, match="LABEL_STUDIO_URL"):
        LabelStudio(url)


def test_a_server_that_is_not_there_is_named_with_its_setting():
    with pytest.raises(LabelStudioError, match=r"does not answer at http://127.0.0.1:1 .*URL"):
        LabelStudio("http://127.0.0.1:1").get("/api/version")


def test_without_an_address_the_setting_is_asked_for():
    with pytest.raises(LabelStudioError, match="set LABEL_STUDIO_URL"):
        LabelStudio(None).get("/api/version")


def test_a_redirect_is_told_instead_of_followed_with_the_token(server):
    server.pages[WHOAMI] = Reply(status=301, headers={"Location": "https://ls.example/"})
    with pytest.raises(LabelStudioError, match=r"sends us on to https://ls.example/"):
        LabelStudio(server.url, LEGACY).get(WHOAMI)


def test_something_else_at_the_address_is_told_from_label_studio(server):
    server.pages["/api/version"] = Reply(b"<html>It works!</html>")
    with pytest.raises(LabelStudioError, match=r"not JSON.*LABEL_STUDIO_URL"):
        LabelStudio(server.url).get_json("/api/version")
    server.pages["/api/token/refresh/"] = as_json(["no", "tokens"])
    with pytest.raises(LabelStudioError, match="gives no access token"):
        LabelStudio(server.url, PERSONAL).get(WHOAMI)


def test_a_password_in_netrc_does_not_replace_the_token(server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert LabelStudio(server.url, LEGACY).get_json(WHOAMI)["id"] == 1


def test_a_refusal_repeats_the_words_of_label_studio(server):
    refusal = {"detail": "Validation error", "validation_errors": {"task": ["no such task"]}}
    server.pages["/api/tasks/7"] = as_json(refusal, 400)
    with pytest.raises(LabelStudioError, match=r"with 400.*no such task"):
        LabelStudio(server.url, LEGACY).get_json("/api/tasks/7")


def test_what_is_posted_may_hold_arrays_and_is_sent_again_with_a_new_token(server):
    taken = []

    def take(asked: Asked) -> Reply:
        taken.append((json.loads(asked.body), asked.headers["content-type"]))
        return as_json({"id": 5}, 201)

    server.pages["/api/predictions/"] = take
    studio = LabelStudio(server.url, PERSONAL)
    body = {"points": np.array([[0.5, 1.25]])}
    for _ in range(2):
        assert studio.post_json("/api/predictions/", body) == {"id": 5}
        server.valid_access.clear()  # as after a restart of Label Studio with another secret
    assert taken == [({"points": [[0.5, 1.25]]}, "application/json")] * 2
    assert server.exchanges == 2


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_overloaded_or_starting_server_is_told_from_a_refusal(server, status):
    server.pages["/api/tasks"] = as_json({}, status)
    with pytest.raises(Unavailable):
        LabelStudio(server.url, LEGACY).get_json("/api/tasks")


def test_a_failed_exchange_is_the_same_error_while_it_is_remembered():
    studio = LabelStudio("http://127.0.0.1:1", PERSONAL)
    for _ in range(2):
        with pytest.raises(Unavailable):
            studio.get("/api/version")

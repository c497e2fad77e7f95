"""Downloads: who gets which credentials, where redirects lead, what a refusal says."""

import base64

import pytest

from backend.errors import (
    ImageBroken,
    ImageError,
    ImageForbidden,
    ImageNotFound,
)
from tests.support.fake_label_studio import (
    LEGACY,
    PERSONAL,
    Reply,
    WebServer,
)
from tests.support.image_files import PNG, PNG_REPLY, is_the_image, loader


def test_other_hosts_see_no_token(studio, web):
    web.pages["/a.png"] = PNG_REPLY
    assert is_the_image(loader(studio, allowed_hosts=("*",))(f"{web.url}/a.png"))
    assert web.asked[-1].authorization is None


def test_a_redirect_from_label_studio_takes_no_token_along(studio, web):
    moved = {"Location": f"{web.url}/a.png"}
    studio.pages["/data/upload/1/a.png"] = Reply(status=302, headers=moved)
    web.pages["/a.png"] = PNG_REPLY
    load = loader(studio, PERSONAL, allowed_hosts=(f"127.0.0.1:{web.port}",))
    assert is_the_image(load("/data/upload/1/a.png"))
    assert web.asked[-1].authorization is None


def test_a_password_goes_to_the_host_that_the_task_names_and_not_where_that_one_sends_us(
    studio, web
):
    other = WebServer()
    other.pages["/a.png"] = PNG_REPLY
    web.pages["/a.png"] = Reply(status=307, headers={"Location": f"{other.url}/a.png"})
    try:
        load = loader(studio, allowed_hosts=("*",))
        assert is_the_image(load(f"{web.url}/a.png", auth=("имя", "geheim")))
    finally:
        other.close()
    coded = base64.b64encode("имя:geheim".encode()).decode()
    assert web.asked[-1].authorization == f"Basic {coded}"
    assert other.asked[-1].authorization is None


def test_the_token_of_label_studio_goes_before_the_password_of_the_tasks(studio):
    studio.pages["/data/upload/1/a.png"] = PNG_REPLY
    loader(studio)("/data/upload/1/a.png", auth=("user", "password"))
    assert studio.asked[-1].authorization == f"Token {LEGACY}"


def test_a_password_in_the_url_is_sent_and_never_shown(studio, web):
    url = f"http://user:geheim@127.0.0.1:{web.port}/a.png?signature=abc"
    with pytest.raises(ImageNotFound) as failure:
        loader(studio, allowed_hosts=("*",))(url)
    assert web.asked[-1].authorization == "Basic " + base64.b64encode(b"user:geheim").decode()
    assert "geheim" not in str(failure.value)
    assert "abc" not in str(failure.value)


def test_no_cookies_are_kept(studio, web):
    web.pages["/a.png"] = Reply(PNG, headers={"Set-Cookie": "session=1; Path=/"})
    load = loader(studio, allowed_hosts=("*",))
    load(f"{web.url}/a.png")
    load(f"{web.url}/a.png")
    assert "cookie" not in web.asked[-1].headers


def test_relative_redirects_are_followed_and_endless_ones_given_up(studio, web):
    web.pages["/a"] = Reply(status=302, headers={"Location": "b.png"})
    web.pages["/b.png"] = PNG_REPLY
    web.pages["/loop"] = Reply(status=302, headers={"Location": "/loop"})
    load = loader(studio, allowed_hosts=("*",))
    assert is_the_image(load(f"{web.url}/a"))
    with pytest.raises(ImageNotFound, match="hops"):
        load(f"{web.url}/loop")
    assert len(web.asked) < 10


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://host/a", "http://[", "http://", ""]
)
def test_a_redirect_leads_to_http_only(studio, web, target):
    web.pages["/a"] = Reply(status=302, headers={"Location": target})
    with pytest.raises(ImageError):
        loader(studio, allowed_hosts=("*",))(f"{web.url}/a")


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (404, ImageNotFound, "answers 404 Not Found"),
        (410, ImageNotFound, "answers 410"),
        (500, ImageNotFound, "answers 500"),
        (204, ImageNotFound, "answers 204"),
        (401, ImageForbidden, "task data credentials"),
        (403, ImageForbidden, "task data credentials"),
    ],
)
def test_a_refusal_of_a_host_is_told_with_its_status(studio, web, status, error, message):
    web.pages["/a.png"] = Reply(status=status)
    with pytest.raises(error, match=message):
        loader(studio, allowed_hosts=("*",))(f"{web.url}/a.png")


def test_a_web_page_instead_of_an_image_is_named(studio, web):
    web.pages["/a.png"] = Reply(b"<!doctype html>", headers={"Content-Type": "text/html"})
    with pytest.raises(ImageBroken, match=r"web page.*text/html"):
        loader(studio, allowed_hosts=("*",))(f"{web.url}/a.png")


def test_a_host_that_is_not_there_is_named(studio):
    with pytest.raises(ImageNotFound, match=r"http://127.0.0.1:1/a.png cannot be reached"):
        loader(studio, allowed_hosts=("*",))("http://127.0.0.1:1/a.png?secret=1")

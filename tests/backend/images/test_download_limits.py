"""Downloads end at their limits of bytes and time, whatever a host sends."""

import pytest

from backend.errors import (
    ImageError,
    ImageNotFound,
    ImageTooLarge,
)
from tests.support.fake_label_studio import (
    Reply,
)
from tests.support.image_files import PNG_REPLY, is_the_image, loader
from tests.support.raw_server import RawServer


def test_a_body_above_the_limit_is_refused_from_its_header_alone(studio, web):
    web.pages["/a.png"] = Reply(b"abc", headers={"Content-Length": "1000000000000"})
    with pytest.raises(ImageTooLarge, match="IMAGE_MAX_MB"):
        loader(studio, allowed_hosts=("*",), max_bytes=1000)(f"{web.url}/a.png")


ENDLESS = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


def test_an_endless_body_is_given_up_at_the_limit(studio):
    server = RawServer(ENDLESS, *([bytes(1 << 20)] * 200))
    with pytest.raises(ImageTooLarge, match="IMAGE_MAX_MB"):
        loader(studio, allowed_hosts=("*",), max_bytes=3 << 20)(server.url)
    server.join()
    assert server.sent_bytes < 50 << 20  # what the buffers of two sockets took beyond the limit


def test_the_endless_body_of_a_redirect_is_not_read(studio, web):
    head = f"HTTP/1.1 302 Found\r\nLocation: {web.url}/a.png\r\n\r\n".encode()
    server = RawServer(head, *([bytes(1 << 20)] * 200))
    web.pages["/a.png"] = PNG_REPLY
    assert is_the_image(loader(studio, allowed_hosts=("*",))(server.url))
    server.join()
    assert server.sent_bytes < 50 << 20


@pytest.mark.parametrize("first", [b"", ENDLESS], ids=["silent", "dripping"])
def test_a_slow_answer_is_given_up(studio, first):
    server = RawServer(first, b"", *([b"x"] * 8), pause_s=0.1)
    with pytest.raises(ImageNotFound, match=r"takes too long|broke off|cannot be reached"):
        loader(studio, allowed_hosts=("*",), timeout_s=0.25)(server.url)
    server.join()


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",  # breaks off
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\nnot gzip",
        b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://\xff\xfe:99999/\r\n\r\n",
        b"",
    ],
)
def test_a_host_that_talks_nonsense_is_an_image_error(studio, raw):
    server = RawServer(raw)
    with pytest.raises(ImageError):
        loader(studio, allowed_hosts=("*",))(server.url)
    server.join()

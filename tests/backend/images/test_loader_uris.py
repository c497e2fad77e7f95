"""data: URIs, unknown schemes, and any other text."""

import base64
import socket
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.errors import (
    ImageBroken,
    ImageError,
    ImageNotFound,
    ImageTooLarge,
)
from backend.images.loader import ImageConfig, ImageLoader
from backend.label_studio.client import LabelStudio
from tests.support.fake_label_studio import (
    LEGACY,
)
from tests.support.image_files import PNG, is_the_image, loader

ROOT = Path(__file__).parent  # holds no image

BASE64 = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    "uri",
    [
        f"data:image/png;base64,{BASE64}",
        f"DATA:IMAGE/PNG;BASE64,{BASE64}",
        f"data:;base64,{BASE64.rstrip('=')}",
        f"data:image/png;charset=x;base64,{BASE64[:40]}\n {BASE64[40:]}",
        f"data:image/png;base64,{BASE64.replace('+', '%2B').replace('/', '%2F')}",
        "data:image/png," + "".join(f"%{byte:02X}" for byte in PNG),
    ],
)
def test_data_uris_hold_their_image(uri):
    assert is_the_image(loader()(uri))


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("data:image/png;base64", "lacks the comma"),
        ("data:image/png;base64,@@@@", "no valid base64"),
        ("data:image/png;base64,A", "no valid base64"),
        ("data:text/plain,hello", r"text/plain, 5 bytes"),
        ("data:,", "empty"),
    ],
)
def test_a_damaged_data_uri_says_what_is_wrong(uri, message):
    with pytest.raises(ImageBroken, match=message):
        loader()(uri)


def test_a_data_uri_above_the_limit_is_refused():
    with pytest.raises(ImageTooLarge, match="IMAGE_MAX_MB"):
        loader(max_bytes=100)(f"data:image/png;base64,{BASE64}")


@pytest.mark.parametrize(
    "uri", ["ftp://host/a.png", "javascript:alert(1)", "C:\\a.png", "gopher://x", "/a\x00.png"]
)
def test_an_unknown_scheme_lists_the_known_ones(uri):
    with pytest.raises(ImageBroken, match=r"http:, https:, data:, s3:, gs:, azure-blob:, file:"):
        loader()(uri)


@pytest.mark.parametrize("uri", ["", "  ", None, 7, {"url": "x"}])
def test_no_uri_at_all_is_named(uri):
    with pytest.raises(ImageNotFound, match="names no image"):
        loader()(uri)


def test_the_pixel_limit_is_applied():
    with pytest.raises(ImageTooLarge, match="IMAGE_MAX_MPX"):
        loader(max_pixels=100)(f"data:image/png;base64,{BASE64}")


HEADS = ["", "/", "//", "http://", "https://[", "data:", "data:;base64,", "s3://", "file://", "x:"]

HEADS += ["/data/upload/", "/data/local-files/?d=", "upload/", "http://127.0.0.1:1/", "\\\\"]

TAILS = st.text(st.characters() | st.sampled_from("/.:%?#@[]\\\ud800\x00"), max_size=40)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(HEADS), TAILS, st.none() | st.integers())
@example("http://", "\ud800", None)
@example("http://a.", "." * 70, None)
@example("file://", "[", None)
@example("data:,", "\udfff", 1)
def test_any_text_is_an_image_or_an_image_error(head, tail, task_id):
    def resolve_nothing(*_, **__):
        raise socket.gaierror("the test asks no name server")

    load = ImageLoader(
        ImageConfig(timeout_s=1, local_root=ROOT), LabelStudio("http://127.0.0.1:1", LEGACY)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve_nothing)
        with pytest.raises(ImageError):
            load(head + tail, task_id=task_id)

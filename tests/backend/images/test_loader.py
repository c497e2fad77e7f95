"""Every form of URI, on real sockets and a real disk; and what a task must not make us do."""

import base64
import io
import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from backend.errors import (
    ImageBroken,
    ImageError,
    ImageForbidden,
    ImageNotFound,
    ImageTooLarge,
    SettingsError,
)
from backend.images.loader import ImageConfig, ImageLoader
from backend.label_studio.client import LabelStudio
from tests.support.fake_label_studio import (
    LEGACY,
    PERSONAL,
    FakeLabelStudio,
    Reply,
    WebServer,
    as_json,
)

ROOT = Path(__file__).parent  # holds no image
PIXELS = np.random.default_rng(7).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def png(pixels: np.ndarray = PIXELS) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


PNG = Reply(png(), headers={"Content-Type": "image/png"})


@pytest.fixture
def studio():
    server = FakeLabelStudio()
    yield server
    server.close()


@pytest.fixture
def web():
    """A server that is not Label Studio: another port is another origin."""
    server = WebServer()
    yield server
    server.close()


def loader(server: WebServer | None = None, api_key: str | None = LEGACY, **config) -> ImageLoader:
    config = ImageConfig(**{"timeout_s": 10, **config})
    return ImageLoader(config, LabelStudio(server.url if server else None, api_key))


def is_the_image(image: np.ndarray) -> bool:
    return image.dtype == np.uint8 and np.array_equal(image, PIXELS)


# --- what Label Studio serves ---


@pytest.mark.parametrize("api_key", [LEGACY, PERSONAL], ids=["legacy", "personal"])
@pytest.mark.parametrize(
    ("uri", "asked"),
    [
        ("/data/upload/1/a.png", "/data/upload/1/a.png"),
        ("upload/1/a.png", "/data/upload/1/a.png"),  # as exports name it
        ("/upload/1/a.png", "/data/upload/1/a.png"),
        ("data/upload/1/a.png", "/data/upload/1/a.png"),
        (" /data/upload/1/a.png\n", "/data/upload/1/a.png"),
        ("/data/local-files/?d=imgs/a.png", "/data/local-files/?d=imgs/a.png"),
        ("/storage-data/uploaded/?filepath=upload/1/a.png",) * 2,
        ("/static/samples/a.png", "/static/samples/a.png"),
        ("/tasks/3/resolve/?fileuri=czM6Ly9iL2s=", "/tasks/3/resolve/?fileuri=czM6Ly9iL2s="),
        ("{studio}/data/upload/1/a.png", "/data/upload/1/a.png"),
        ("{studio_host}/data/upload/1/a.png", "/data/upload/1/a.png"),
        ("/data/upload/1/%D1%84.png", "/data/upload/1/%D1%84.png"),  # as LS 1.23.2 stores фото
        ("/data/upload/1/ф.png", "/data/upload/1/%D1%84.png"),
        ("/data/upload/1/a b.png", "/data/upload/1/a%20b.png"),
    ],
)
def test_paths_of_label_studio_are_asked_there_with_the_token(studio, uri, asked, api_key):
    studio.pages[asked] = PNG
    uri = uri.format(studio=studio.url, studio_host=studio.url.removeprefix("http:"))
    assert is_the_image(loader(studio, api_key)(uri))
    assert studio.asked[-1].path == asked
    assert studio.asked[-1].authorization.startswith("Token" if api_key == LEGACY else "Bearer")


def test_uploads_kept_in_a_cloud_storage_are_asked_by_their_other_path(studio):
    studio.pages["/storage-data/uploaded/?filepath=upload/1/a%20b.png"] = PNG
    assert is_the_image(loader(studio)("/data/upload/1/a%20b.png"))


def test_an_upload_that_is_gone_tells_the_first_answer(studio):
    studio.pages["/data/upload/1/a.png"] = as_json({"detail": "'NoneType' object"}, 500)
    studio.pages["/storage-data/uploaded/"] = Reply(status=403)
    with pytest.raises(ImageNotFound, match=r"/data/upload/1/a.png answers 500"):
        loader(studio)("/data/upload/1/a.png")


@pytest.mark.parametrize(
    "uri", ["/sub/data/upload/1/a.png", "/data/upload/1/a.png", "upload/1/a.png"]
)
def test_label_studio_under_a_sub_path(uri):
    server = FakeLabelStudio(sub_path="/sub")
    server.pages["/data/upload/1/a.png"] = PNG
    try:
        assert is_the_image(loader(server)(uri))
    finally:
        server.close()


def test_label_studio_under_a_name_that_only_its_users_reach(studio):
    studio.pages["/data/local-files/"] = PNG
    load = loader(studio)
    load.label_studio.update_from_setup("http://label-studio.invalid:8080", None)
    assert is_the_image(load("http://label-studio.invalid:8080/data/local-files/?d=a.png"))


@pytest.mark.parametrize("scheme", ["s3", "gs", "azure-blob"])
def test_cloud_uris_are_presigned_for_the_task_and_fetched_without_the_token(studio, web, scheme):
    uri = f"{scheme}://bucket/ключ/a.png"
    coded = base64.urlsafe_b64encode(uri.encode()).decode()
    signed = {"Location": f"{web.url}/bucket/a.png?X-Signature=abc"}
    studio.pages[f"/tasks/5/presign/?fileuri={coded}"] = Reply(status=303, headers=signed)
    web.pages["/bucket/a.png"] = PNG
    load = loader(studio, allowed_hosts=("127.0.0.1",))
    assert is_the_image(load(uri, task_id=5))
    assert web.asked[-1].path == "/bucket/a.png?X-Signature=abc"
    assert web.asked[-1].authorization is None


def test_a_cloud_uri_without_task_or_storage_says_what_is_missing(studio):
    with pytest.raises(ImageNotFound, match="has no id"):
        loader(studio)("s3://bucket/a.png")
    with pytest.raises(ImageNotFound, match=r"connect its bucket.*Cloud Storage"):
        loader(studio)("s3://bucket/a.png", task_id=1)


def test_an_expired_access_token_is_renewed_in_the_middle_of_a_batch(studio):
    studio.pages["/data/upload/1/a.png"] = PNG
    load = loader(studio, PERSONAL)
    load("/data/upload/1/a.png")
    studio.valid_access.clear()
    assert is_the_image(load("/data/upload/1/a.png"))
    assert studio.exchanges == 2


@pytest.mark.parametrize(
    ("api_key", "cure"),
    [(None, "LABEL_STUDIO_API_KEY"), (LEGACY, "legacy tokens are off"), (PERSONAL, "revoked")],
)
def test_a_missing_or_refused_token_is_an_image_error_with_its_cure(studio, api_key, cure):
    studio.is_known = lambda authorization: False
    with pytest.raises(ImageForbidden, match=cure):
        loader(studio, api_key)("/data/upload/1/a.png")


def test_a_user_outside_the_project_is_told_from_a_wrong_token(studio):
    studio.pages["/data/upload/1/a.png"] = Reply(status=403)
    with pytest.raises(ImageForbidden, match="a user who may open this project"):
        loader(studio)("/data/upload/1/a.png")


def test_being_sent_to_the_login_page_asks_for_a_token(studio):
    login = {"Location": "/user/login/?next=/data/upload/1/a.png"}
    studio.pages["/data/upload/1/a.png"] = Reply(status=302, headers=login)
    studio.pages["/user/login/"] = Reply(b"<html>", headers={"Content-Type": "text/html"})
    with pytest.raises(ImageForbidden, match=r"asks for a login.*LABEL_STUDIO_API_KEY"):
        loader(studio)("/data/upload/1/a.png")


def test_without_an_address_of_label_studio_the_setting_is_named():
    with pytest.raises(ImageForbidden, match="set LABEL_STUDIO_URL"):
        loader(None)("/data/upload/1/a.png")


def test_a_label_studio_that_does_not_answer_is_named():
    load = ImageLoader(ImageConfig(), LabelStudio("http://127.0.0.1:1", PERSONAL))
    with pytest.raises(ImageForbidden, match=r"does not answer at http://127.0.0.1:1"):
        load("/data/upload/1/a.png")


# --- the web ---


def test_other_hosts_see_no_token(studio, web):
    web.pages["/a.png"] = PNG
    assert is_the_image(loader(studio, allowed_hosts=("*",))(f"{web.url}/a.png"))
    assert web.asked[-1].authorization is None


def test_a_redirect_from_label_studio_takes_no_token_along(studio, web):
    moved = {"Location": f"{web.url}/a.png"}
    studio.pages["/data/upload/1/a.png"] = Reply(status=302, headers=moved)
    web.pages["/a.png"] = PNG
    load = loader(studio, PERSONAL, allowed_hosts=(f"127.0.0.1:{web.port}",))
    assert is_the_image(load("/data/upload/1/a.png"))
    assert web.asked[-1].authorization is None


def test_a_password_goes_to_the_host_that_the_task_names_and_not_where_that_one_sends_us(
    studio, web
):
    other = WebServer()
    other.pages["/a.png"] = PNG
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
    studio.pages["/data/upload/1/a.png"] = PNG
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
    web.pages["/a.png"] = Reply(png(), headers={"Set-Cookie": "session=1; Path=/"})
    load = loader(studio, allowed_hosts=("*",))
    load(f"{web.url}/a.png")
    load(f"{web.url}/a.png")
    assert "cookie" not in web.asked[-1].headers


def test_relative_redirects_are_followed_and_endless_ones_given_up(studio, web):
    web.pages["/a"] = Reply(status=302, headers={"Location": "b.png"})
    web.pages["/b.png"] = PNG
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


def test_a_body_above_the_limit_is_refused_from_its_header_alone(studio, web):
    web.pages["/a.png"] = Reply(b"abc", headers={"Content-Length": "1000000000000"})
    with pytest.raises(ImageTooLarge, match="IMAGE_MAX_MB"):
        loader(studio, allowed_hosts=("*",), max_bytes=1000)(f"{web.url}/a.png")


class RawServer:
    """Writes bytes to the one client that comes, and hangs up."""

    def __init__(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        self.sent_bytes = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/a.png"
        self._thread = threading.Thread(target=self._serve, args=(pieces, pause_s))
        self._thread.start()

    def _serve(self, pieces: tuple[bytes, ...], pause_s: float) -> None:
        with self._listener, self._listener.accept()[0] as client:
            client.recv(65536)
            try:
                for piece in pieces:
                    client.sendall(piece)
                    self.sent_bytes += len(piece)
                    time.sleep(pause_s)
            except OSError:  # the client hung up, as it should
                pass

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


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
    web.pages["/a.png"] = PNG
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


def test_a_host_that_is_not_there_is_named(studio):
    with pytest.raises(ImageNotFound, match=r"http://127.0.0.1:1/a.png cannot be reached"):
        loader(studio, allowed_hosts=("*",))("http://127.0.0.1:1/a.png?secret=1")


# --- what a task must not reach ---


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/a.png",
        "http://localhost:{port}/a.png",
        "http://127.1:{port}/a.png",
        "http://2130706433:{port}/a.png",
        "http://0x7f000001:{port}/a.png",
        "http://0.0.0.0:{port}/a.png",
        "http://[::1]:{port}/a.png",
        "http://[::ffff:127.0.0.1]:{port}/a.png",
        "http://[64:ff9b::7f00:1]:{port}/a.png",
        "http://public.example@127.0.0.1:{port}/a.png",
        "http://127.0.0.1:{port}\\@public.example/a.png",
        "//127.0.0.1:{port}/a.png",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/a.png",
        "http://192.168.1.1/a.png",
        "http://100.64.0.1/a.png",
        "http://[fd00::1]/a.png",
        "http://[fe80::1]/a.png",
        "http://224.0.0.1/a.png",
    ],
)
def test_addresses_inside_the_network_are_refused_unasked(studio, web, url):
    web.pages["/a.png"] = PNG
    with pytest.raises(ImageForbidden, match="IMAGE_HOSTS_ALLOWED"):
        loader(studio)(url.format(port=web.port))
    assert not web.asked


def test_a_redirect_into_the_network_is_refused(studio, web):
    studio.pages["/data/upload/1/a.png"] = Reply(
        status=302, headers={"Location": f"http://localhost:{web.port}/a.png"}
    )
    with pytest.raises(ImageForbidden, match="IMAGE_HOSTS_ALLOWED"):
        loader(studio)("/data/upload/1/a.png")
    assert not web.asked


def test_label_studio_opens_its_own_port_only(studio, web):
    assert studio.port != web.port
    with pytest.raises(ImageForbidden, match="IMAGE_HOSTS_ALLOWED"):
        loader(studio)(f"{web.url}/a.png")


@pytest.mark.parametrize(
    ("allowed", "is_allowed"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:{port}", True),
        (" 127.0.0.1 ", True),
        ("*", True),
        ("127.0.0.1:1", False),
        ("localhost", False),
        ("*.0.0.1", True),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_private_hosts_are_asked_when_listed(studio, web, allowed, is_allowed):
    web.pages["/a.png"] = PNG
    load = loader(studio, allowed_hosts=(allowed.format(port=web.port),))
    if is_allowed:
        assert is_the_image(load(f"{web.url}/a.png"))
    else:
        with pytest.raises(ImageForbidden):
            load(f"{web.url}/a.png")


def test_a_name_that_changes_its_address_after_the_check_is_refused_unasked(
    studio, web, monkeypatch
):
    answers = ["93.184.216.34", "127.0.0.1"]  # first to the check, then to the connection

    def rebinding(host, port, *rest, **options):
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises(ImageForbidden, match=r"rebind.example \(127.0.0.1\)"):
        loader(None)(f"http://rebind.example:{web.port}/a.png")
    assert not web.asked


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    def two_addresses(host, port, *rest, **options):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("93.184.216.34", "10.1.2.3")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    with pytest.raises(ImageForbidden, match=r"10\.1\.2\.3"):
        loader(None)("http://mixed.example/a.png")


# --- the disk ---


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "imgs").mkdir(parents=True)
    (root / "imgs" / "a b+ф.png").write_bytes(png())
    (tmp_path / "secret.png").write_bytes(png())
    (root / "out.png").symlink_to(tmp_path / "secret.png")
    (root / "in.png").symlink_to(root / "imgs" / "a b+ф.png")
    return root


@pytest.mark.parametrize(
    "uri",
    [
        "/data/local-files/?d=imgs/a%20b%2B%D1%84.png",
        "/data/local-files/?d=/imgs/a%20b%2Bф.png",
        "/data/local-files?d=imgs/a b%2Bф.png",
        "/sub/data/local-files/?d=in.png",
        "{studio}/data/local-files/?d=in.png",
        "imgs/a b+ф.png",
        "{root}/imgs/a b+ф.png",
        "{root}/imgs/../in.png",
        "file://{root}/imgs/a%20b+%D1%84.png",
    ],
)
def test_local_files_are_read_from_the_disk(studio, root, uri):
    uri = uri.format(root=root, studio=studio.url)
    assert is_the_image(loader(studio, local_root=root)(uri))
    assert not studio.asked


@pytest.mark.parametrize("path", ["../secret.png", "out.png", "imgs/../../secret.png", "%00"])
def test_local_files_that_lead_out_of_the_root_are_label_studios_to_judge(studio, root, path):
    with pytest.raises(ImageNotFound, match="answers 404"):
        loader(studio, local_root=root)(f"/data/local-files/?d={path}")
    assert studio.asked


def test_local_files_that_we_do_not_have_are_asked_from_label_studio(studio, root):
    studio.pages["/data/local-files/?d=imgs/b.png"] = PNG
    assert is_the_image(loader(studio, local_root=root)("/data/local-files/?d=imgs/b.png"))


@pytest.mark.parametrize(
    "uri",
    [
        "{root}/../secret.png",
        "../secret.png",
        "{root}/out.png",
        "/etc/passwd",
        "file:///etc/passwd",
        "file://{root}/%2e%2e/secret.png",
        "{root}-other/a.png",
    ],
)
def test_plain_paths_out_of_the_root_are_forbidden(studio, root, uri):
    with pytest.raises(ImageForbidden, match="LOCAL_FILES_DOCUMENT_ROOT"):
        loader(studio, local_root=root)(uri.format(root=root))


def test_without_a_root_no_file_is_read(studio, root):
    with pytest.raises(ImageForbidden, match="not set"):
        loader(studio)(f"{root}/in.png")


def test_a_file_that_is_not_there_is_not_found(studio, root):
    for name in ("imgs/none.png", "imgs", "x" * 300):  # nothing, a folder, an impossible name
        with pytest.raises(ImageNotFound):
            loader(studio, local_root=root)(name)


def test_a_pipe_is_not_waited_for(studio, root):
    os.mkfifo(root / "pipe.png")
    with pytest.raises(ImageNotFound):
        loader(studio, local_root=root)("pipe.png")


def test_links_in_a_circle_are_an_image_error(studio, root):
    (root / "one.png").symlink_to(root / "two.png")
    (root / "two.png").symlink_to(root / "one.png")
    with pytest.raises(ImageError):
        loader(studio, local_root=root)("one.png")


def test_a_file_above_the_limit_is_refused(studio, root):
    with pytest.raises(ImageTooLarge, match="IMAGE_MAX_MB"):
        loader(studio, local_root=root, max_bytes=100)("in.png")


def test_the_whole_disk_as_root_stops_the_start():
    with pytest.raises(SettingsError, match="LOCAL_FILES_DOCUMENT_ROOT=/"):
        loader(None, local_root=Path("/.."))


# --- data: URIs and what is none ---

BASE64 = base64.b64encode(png()).decode()


@pytest.mark.parametrize(
    "uri",
    [
        f"data:image/png;base64,{BASE64}",
        f"DATA:IMAGE/PNG;BASE64,{BASE64}",
        f"data:;base64,{BASE64.rstrip('=')}",
        f"data:image/png;charset=x;base64,{BASE64[:40]}\n {BASE64[40:]}",
        f"data:image/png;base64,{BASE64.replace('+', '%2B').replace('/', '%2F')}",
        "data:image/png," + "".join(f"%{byte:02X}" for byte in png()),
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


def test_threads_share_one_loader(studio):
    studio.pages["/data/upload/1/a.png"] = PNG
    load, found = loader(studio, PERSONAL), []
    threads = [
        threading.Thread(target=lambda: found.append(load("/data/upload/1/a.png")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(is_the_image(image) for image in found)
    assert studio.exchanges == 1


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

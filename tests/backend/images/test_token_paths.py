"""Label Studio's token opens its images, and nothing else that task data names."""

import pytest

from backend.errors import ImageBroken, ImageError, ImageForbidden
from tests.support.fake_label_studio import LEGACY, PERSONAL, Reply, as_json
from tests.support.image_files import PNG_REPLY, loader

SECRET = b"geheim-aus-der-API-and-some-more"
OTHER_PATHS = [
    "/api/users/",
    "/api/projects/1/export?exportType=JSON",
    "/data/upload/../../api/users/",
    "/data/upload/%2e%2e/%2e%2e/api/users/",
    "/data/upload/%2E./..%2fapi/users/",
    "/data/upload/%252e%252e/%252e%252e/api/users/",
    "/data/upload/..\\..\\api/users/",
    "/data/local-files/../../api/users/",
    "/static/../api/users/",
    "/tasks/1/presign/../../../api/users/",
    "/api/data/upload/1/a.png",
    "/projects/1/settings/",
    "/data/export/1.json",
    "/data/upload",
    "/user/account",
]


@pytest.mark.parametrize("api_key", [LEGACY, PERSONAL])
@pytest.mark.parametrize("path", OTHER_PATHS)
def test_no_other_path_is_asked_with_the_token(studio, web, path, api_key):
    studio.open_paths = {"/api/token/refresh/"}
    web.pages["/a.png"] = Reply(status=302, headers={"Location": studio.url + path})
    load = loader(studio, api_key, allowed_hosts=("127.0.0.1",))
    for uri in (studio.url + path, path, f"{web.url}/a.png"):
        with pytest.raises(ImageError):
            load(uri, task_id=1)
    assert all(one.authorization is None for one in studio.asked if one.path[:5] != "/data")
    asked = [one.path for one in studio.asked if one.authorization is not None]
    assert asked == []


def test_a_redirect_from_an_image_leads_out_of_the_images_without_the_token(studio):
    studio.pages["/data/upload/1/a.png"] = Reply(status=302, headers={"Location": "/api/users/"})
    with pytest.raises(ImageForbidden, match="no path under which Label Studio serves images"):
        loader(studio)("/data/upload/1/a.png")
    assert studio.asked[-1].path == "/api/users/"
    assert studio.asked[-1].authorization is None


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500, 599])
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "image/png", "geheim/x\ty"])
def test_no_error_shows_what_another_server_answered(studio, web, status, kind):
    body = b'{"detail": "%s"}' % SECRET
    web.pages["/a.png"] = Reply(body, status, {"Content-Type": kind})
    with pytest.raises(ImageError) as caught:
        loader(studio, allowed_hosts=("*",))(f"{web.url}/a.png")
    assert "geheim" not in str(caught.value).replace("geheim/x", "")


@pytest.mark.parametrize("path", ["/api/users/", "/data/upload/1/a.png"])
@pytest.mark.parametrize("body", [
    SECRET, b"P6 geheim geheim", b"BMgeheimgeheimgeheim" * 9, b"GIF89a" + SECRET,
    b"\x89PNG\r\n\x1a\n" + SECRET * 3,
])  # fmt: skip
def test_no_error_shows_bytes_of_what_is_no_image(studio, path, body):
    studio.open_paths = {path}
    studio.pages[path] = Reply(body)
    with pytest.raises(ImageBroken) as caught:
        loader(studio)(studio.url + path)
    assert "geheim" not in str(caught.value)


def test_of_a_cloud_storage_the_well_known_word_is_said_and_no_other(studio, web):
    load = loader(studio, allowed_hosts=("*",))
    for code, is_said in [("ExpiredToken", True), ("Geheim", False)]:
        body = f"<Error><Code>{code}</Code><Message>geheim</Message></Error>".encode()
        web.pages["/a.png"] = Reply(body, 403, {"Content-Type": "application/xml"})
        with pytest.raises(ImageForbidden) as caught:
            load(f"{web.url}/a.png")
        assert (code in str(caught.value)) is is_said
        assert "geheim" not in str(caught.value).lower()


def test_a_name_of_setup_maps_images_alone(studio, web):
    """What a /setup calls Label Studio must not turn other addresses of that name."""
    web.pages["/photos/a.png"] = PNG_REPLY
    load = loader(studio, allowed_hosts=("*",))
    load.label_studio.update_from_setup(web.url, None)
    load(f"{web.url}/photos/a.png")
    assert web.paths() == ["/photos/a.png"]
    assert studio.paths() == []


def test_an_answer_that_is_no_json_is_not_shown(studio):
    studio.pages["/api/projects/"] = Reply(SECRET)
    with pytest.raises(Exception, match="not JSON") as caught:
        loader(studio).label_studio.get_json("/api/projects/")
    assert "geheim" not in str(caught.value)
    studio.pages["/api/projects/"] = as_json([])
    assert loader(studio).label_studio.get_json("/api/projects/") == []

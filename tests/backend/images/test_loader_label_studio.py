"""Images that Label Studio serves: its paths, tokens, cloud storages and redirects."""

import base64
import threading

import pytest

from backend.errors import (
    ImageError,
    ImageForbidden,
    ImageNotFound,
)
from backend.images.loader import ImageConfig, ImageLoader
from backend.label_studio.client import LabelStudio
from tests.support.fake_label_studio import (
    LEGACY,
    PERSONAL,
    FakeLabelStudio,
    Reply,
    as_json,
)
from tests.support.image_files import PNG_REPLY, is_the_image, loader


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
    studio.pages[asked] = PNG_REPLY
    uri = uri.format(studio=studio.url, studio_host=studio.url.removeprefix("http:"))
    assert is_the_image(loader(studio, api_key)(uri))
    assert studio.asked[-1].path == asked
    assert studio.asked[-1].authorization.startswith("Token" if api_key == LEGACY else "Bearer")


def test_uploads_kept_in_a_cloud_storage_are_asked_by_their_other_path(studio):
    studio.pages["/storage-data/uploaded/?filepath=upload/1/a%20b.png"] = PNG_REPLY
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
    server.pages["/data/upload/1/a.png"] = PNG_REPLY
    try:
        assert is_the_image(loader(server)(uri))
    finally:
        server.close()


def test_label_studio_under_a_name_that_only_its_users_reach(studio):
    studio.pages["/data/local-files/"] = PNG_REPLY
    load = loader(studio)
    load.label_studio.update_from_setup("http://label-studio.invalid:8080", None)
    assert is_the_image(load("http://label-studio.invalid:8080/data/local-files/?d=a.png"))


@pytest.mark.parametrize("scheme", ["s3", "gs", "azure-blob"])
def test_cloud_uris_are_presigned_for_the_task_and_fetched_without_the_token(studio, web, scheme):
    uri = f"{scheme}://bucket/ключ/a.png"
    coded = base64.urlsafe_b64encode(uri.encode()).decode()
    signed = {"Location": f"{web.url}/bucket/a.png?X-Signature=abc"}
    studio.pages[f"/tasks/5/presign/?fileuri={coded}"] = Reply(status=303, headers=signed)
    web.pages["/bucket/a.png"] = PNG_REPLY
    load = loader(studio, allowed_hosts=("127.0.0.1",))
    assert is_the_image(load(uri, task_id=5))
    assert web.asked[-1].path == "/bucket/a.png?X-Signature=abc"
    assert web.asked[-1].authorization is None


def test_a_cloud_uri_without_task_or_storage_says_what_is_missing(studio):
    with pytest.raises(ImageNotFound, match="has no id"):
        loader(studio)("s3://bucket/a.png")
    with pytest.raises(ImageNotFound, match=r"bucket must be connected.*Cloud Storage"):
        loader(studio)("s3://bucket/a.png", task_id=1)


def test_an_expired_access_token_is_renewed_in_the_middle_of_a_batch(studio):
    studio.pages["/data/upload/1/a.png"] = PNG_REPLY
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


def test_a_refused_token_that_label_studio_sent_itself_is_no_token_of_ours(studio):
    studio.is_known = lambda authorization: False
    load = loader(studio, None)
    load.label_studio.update_from_setup(None, LEGACY)
    with pytest.raises(ImageForbidden, match=r"no LABEL_STUDIO_API_KEY is given.*sends itself"):
        load("/data/upload/1/a.png")


def test_a_label_studio_that_is_not_there_is_looked_for_elsewhere():
    load = ImageLoader(ImageConfig(), LabelStudio("http://127.0.0.1:1", LEGACY))
    with pytest.raises(ImageNotFound, match="set LABEL_STUDIO_URL to where"):
        load("/data/local-files/?d=a.png")


def test_a_user_outside_the_project_is_told_from_a_wrong_token(studio):
    studio.pages["/data/upload/1/a.png"] = Reply(status=403)
    with pytest.raises(ImageForbidden, match="a user who may open this project"):
        loader(studio)("/data/upload/1/a.png")


# As in its views: a plain sentence under text/html, JSON of a framework, and an empty body.
LOCAL_FILES_OFF = (
    "Serving local files can be dangerous, so it's disabled by default. You can enable it with "
    "LOCAL_FILES_SERVING_ENABLED environment variable"
)
HTML, JSON = {"Content-Type": "text/html; charset=utf-8"}, {"Content-Type": "application/json"}
UNSPECIFIC = b'{"detail": "You do not have permission to perform this action."}'
STORAGE_DOWN = b'{"error": "Storage stream failed", "detail": "<b>InvalidAccessKeyId</b>"}'


@pytest.mark.parametrize(
    ("path", "reply", "error", "words", "not_said"),
    [
        ("/data/local-files/?d=a.png", Reply(LOCAL_FILES_OFF.encode(), 403, HTML), ImageForbidden,
         f"Label Studio says: {LOCAL_FILES_OFF}", "may open this project"),
        ("/data/local-files/?d=a.png", Reply(b"", 404, HTML), ImageNotFound,
         "a Local Files storage covers its folder", "still exists"),
        ("/data/local-files/?d=a.png", Reply(b"", 403, HTML), ImageForbidden,
         "a user who may open this project", "says"),
        ("/data/upload/1/a.png", Reply(UNSPECIFIC, 403, JSON), ImageForbidden,
         "403 Forbidden: use the token of a user who may open this project", "says"),
        ("/tasks/1/resolve/?fileuri=YQ", Reply(STORAGE_DOWN, 424, JSON), ImageNotFound,
         "Label Studio says: Storage stream failed: <b>InvalidAccessKeyId</b>", "still exists"),
        ("/data/upload/1/a.png", Reply(b"<!DOCTYPE html><title>Oops</title>", 403, HTML),
         ImageForbidden, "a user who may open this project", "Oops"),
    ],
)  # fmt: skip
def test_what_label_studio_says_of_a_refusal_is_passed_on_and_nothing_guessed_beside_it(
    studio, path, reply, error, words, not_said
):
    studio.pages[path.partition("?")[0]] = reply
    with pytest.raises(error) as caught:
        loader(studio)(path)
    assert words in str(caught.value)
    assert not_said not in str(caught.value)


EXPIRED = (
    b"<?xml version='1.0'?><Error><Code>SignatureDoesNotMatch</Code><Message>No &amp; no</Message>"
    b"<AWSAccessKeyId>geheim</AWSAccessKeyId><StringToSign>geheim</StringToSign></Error>"
)
UPSTREAM = b'{"error": "No answer of https://k:geheim@bucket.test/a.png?X-Amz-Signature=geheim"}'


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            Reply(EXPIRED, 403, {"Content-Type": "application/xml"}),
            "SignatureDoesNotMatch: No & no",
        ),
        (Reply(UPSTREAM, 424, JSON), "No answer of https://bucket.test/a.png"),
    ],
)
def test_secrets_in_what_a_server_says_are_not_passed_on(studio, reply, words):
    studio.pages["/data/upload/1/a.png"] = reply
    with pytest.raises(ImageError) as caught:
        loader(studio)("/data/upload/1/a.png")
    assert words in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_what_label_studio_says_is_passed_on_as_one_short_line(studio):
    noise = "line\n\x00\x1b[31m" * 5000
    studio.pages["/data/local-files/"] = Reply(noise.encode(), 403, {"Content-Type": "text/plain"})
    with pytest.raises(ImageForbidden) as caught:
        loader(studio)("/data/local-files/?d=a.png")
    assert len(str(caught.value)) < 450
    assert str(caught.value).isprintable()


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


def test_threads_share_one_loader(studio):
    studio.pages["/data/upload/1/a.png"] = PNG_REPLY
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

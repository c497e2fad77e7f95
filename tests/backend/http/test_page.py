"""The page at /: for browsers alone, off where it is switched off, closed to other sites."""

from typing import Any

import pytest

from backend.http.app import create_app
from tests.support.fake_label_studio import PERSONAL
from tests.support.request_bodies import predict_body

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
POSTS = ["/page/check", "/page/photo", "/page/segment", "/page/click"]
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://elsewhere.example"},  # browsers on plain http send no Sec-Fetch-Site
    {"Origin": "null"},
]


def test_a_browser_gets_the_page_and_label_studio_its_json(client):
    page = client.get("/", headers=BROWSER)
    assert page.mimetype == "text/html"
    assert "Accept" in page.headers["Vary"]
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert client.get("/", headers=accept).json == {"status": "UP", "model_class": "Firstpass"}


def test_the_page_loads_nothing_from_elsewhere_and_has_no_script_in_its_html(client):
    page = client.get("/", headers=BROWSER)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "://" not in page.text.replace("http://www.w3.org/2000/svg", "")
    for word in ("<script>", "style=", "onclick", "<style"):
        assert word not in page.text


def test_switched_off_there_is_no_page(make_client):
    client = make_client(playground="off")
    assert client.get("/", headers=BROWSER).json["status"] == "UP"
    assert client.get("/static/page.html").status_code == 404
    assert client.get("/page/status").status_code == 404
    assert client.post("/page/photo", data=b"x").status_code == 404


def test_with_a_password_nothing_of_it_is_open(make_client):
    client = make_client(basic_auth_user="ls", basic_auth_pass="secret")
    for path in ("/", "/static/page.html", "/page/status", "/page/samples/cat"):
        answer = client.get(path, headers=BROWSER)
        assert (answer.status_code, "WWW-Authenticate" in answer.headers) == (401, True)
    assert all(client.post(path).status_code == 401 for path in POSTS)
    assert client.get("/page/status", auth=("ls", "secret")).status_code == 200


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_sites_page_can_ask_nothing(client, path, headers):
    answer = client.post(path, json={}, headers=headers)
    assert (answer.status_code, answer.json["error"]) == (403, "request")
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_another_sites_page_can_read_nothing(client):
    for path in ("/page/status", "/page/options", "/static/page.html", "/page/photo/x"):
        assert client.get(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_its_own_page_and_programs_may_ask(client):
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}, {}):
        assert client.post("/page/segment", json={}, headers=headers).status_code != 403
    assert client.get("/page/status", headers={"Sec-Fetch-Site": "none"}).status_code == 200


def test_the_status_has_what_ready_says_and_the_address_to_connect(client):
    status = client.get("/page/status").json
    assert status["ready"] == client.get("/ready").json
    assert status["connect"]["url"] == "http://127.0.0.1:9090"
    assert status["connect"]["is_local"] is True


def test_the_status_lists_projects_with_their_versions(client, photo_uri):
    body = {"project": "57.1795366020", "schema": predict_body()["label_config"]}
    version = client.post("/setup", json=body).json["model_version"]
    rows = {row["number"]: row for row in client.get("/page/status").json["projects"]}
    assert rows[57]["model_version"] == version
    assert rows[57]["annotations"] == 0
    assert rows[57]["url"].endswith("/projects/57")


def test_the_status_is_there_while_the_model_loads(loading):
    assert loading.get("/page/status").json["ready"]["status"] == "loading"


def test_the_check_says_what_the_doctor_finds(make_service, studio, tmp_path):
    service = make_service(data_dir=tmp_path, label_studio_url=studio.url,
                           label_studio_api_key=PERSONAL)  # fmt: skip
    answer: Any = create_app(service).test_client().post("/page/check")
    found = {check["name"]: check for check in answer.json["checks"]}
    assert found["Label Studio"]["ok"] is True
    assert studio.url in found["Label Studio"]["found"]
    assert found["connection"]["ok"] is True
    assert "port" not in found


def test_the_photos_that_ship_are_images_with_labels(client):
    samples = client.get("/page/options").json["samples"]
    assert len(samples) == 4
    for sample in samples:
        photo = client.get(f"/page/samples/{sample['name']}")
        assert photo.data.startswith(b"\xff\xd8")
        assert sample["labels"]
        assert sample["alt"]
        assert sample["author"]
    assert client.get("/page/samples/..%2fphotos.py").status_code == 404

"""What is secret appears in no message: neither in the log nor in any answer."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.redaction import redact_url, redact_urls
from tests.support.annotations import PROJECT, rectangle
from tests.support.fake_label_studio import jwt
from tests.support.request_bodies import predict_body

ROOT = Path(__file__).parents[2]
SECRET = "geheim"  # a piece of every secret below
TOKEN = jwt(token_type="refresh", exp=8102577163, iat=1795377163, jti=SECRET)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com:8443/a/b.png", "https://example.com:8443/a/b.png"),
        ("https://user:geheim@example.com/a.png", "https://example.com/a.png"),
        ("https://u:p@geheim@example.com/a.png", "https://example.com/a.png"),
        ("https://example.com/a.png?X-Amz-Signature=geheim", "https://example.com/a.png"),
        ("https://example.com/a.png?mail=a@geheim", "https://example.com/a.png"),
        ("https://example.com/a.png#geheim", "https://example.com/a.png"),
        ("https://example.com/@user/a.png", "https://example.com/@user/a.png"),
        ("https://u:p@geheim#s@example.com/a.png", "https://…"),
        ("https://u:1#geheim@example.com/a.png", "https://…"),
        ("https://u:1/geheim@example.com/a.png", "https://…"),
        ("https://u:p?geheim@example.com/a.png", "https://…"),
        ("s3://key:geheim@bucket/a.png?versionId=geheim", "s3://bucket/a.png"),
        ("/data/upload/1/a.png?token=geheim", "/data/upload/1/a.png"),
        ("//example.com/@user", "//example.com/@user"),
        ("http://[", "http://["),
        ("https://example.com/2026/dt=01/my cat.png", "https://example.com/2026/dt=01/my cat.png"),
        ("/data/upload/1/8e7-a_b.png", "/data/upload/1/8e7-a_b.png"),
        ("http:/u:geheim@example.com/a.png", "…"),
        ("http:u:geheim@example.com/a.png", "…"),
        ("http:\\\\u:geheim@example.com\\a.png", "…"),
        ("https//u:geheim@example.com/a.png", "…"),
        ("u:geheim@example.com/a.png", "…"),
        ("http%3A//u:geheim@example.com/a.png", "…"),
        ("http%3A%2F%2Fu%3Ageheim%40example.com/a.png", "…"),
        ("u:geheim://example.com@b", "…"),
        ("geheim@example.com/a.png", "example.com/a.png"),
        ("//geheim@example.com/a.png", "//example.com/a.png"),
        ("http://geheim#x@example.com/a.png", "http://…"),
        ("http://geheim?x@example.com/a.png", "http://…"),
        ("http://geheim/#x@example.com/a.png", "http://…"),
        ("http://u%3Ageheim%40example.com/a.png", "http://example.com/a.png"),
        ("http://u:gehe im@example.com/a.png", "http://example.com/a.png"),
        ("http://u:geheim\\@example.com/a.png", "http://…"),
        ("https://b.test/https://u:geheim@example.com/a.png", "https://b.test/https://"),
        ("https://b.test/a.png;jsessionid=geheim", "https://b.test/a.png"),
        ("https://b.test/a.png&X-Amz-Signature=geheim", "https://b.test/a.png"),
        ("https://b.test/a.png%3FX-Amz-Signature=geheim", "https://b.test/a.png"),
        ("https://b.test/token=geheim/a.png", "https://b.test/"),
        ("/srv/a.png%3fsig=geheim", "/srv/a.png"),
        ("data:image/png;base64,geheim", "data:image/png"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_login_and_query(url, shown):
    assert redact_url(url) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no https://u:geheim@b.test/a.png?X-Amz-Signature=geheim there",
         "no https://b.test/a.png there"),
        ('{"url":"s3://k:geheim@b/a?versionId=geheim","secret":"geheim"}', '{"url":"s3://b/a'),
        ("Max retries exceeded with url: /b/a.png?X-Amz-Signature=geheim (5 s)",
         "Max retries exceeded with url: /b/a.png (5 s)"),
        ("Is it there? see http://b.test.", "Is it there? see http://b.test."),
    ],
)  # fmt: skip
def test_urls_in_a_text_are_shown_without_login_and_query(text, shown):
    assert redact_urls(text) == shown


IMAGES: list[Any] = [
    "http://u:geheim@127.0.0.1:1/a.png?X-Amz-Signature=geheim",  # no server there
    "http://u:p@geheim#s@127.0.0.1/a.png",
    "http://u:geheim/p@127.0.0.1:1/a.png",
    "http://u:1?geheim@127.0.0.1:1/a.png",
    "http://u:geheim@[::1/a.png",
    "ftp://u:geheim@127.0.0.1/a.png",
    "s3://key:geheim@bucket/a.png?X-Amz-Signature=geheim",
    "//u:geheim@127.0.0.1:1/a.png",
    "/data/upload/1/a.png?token=geheim",
    "/srv/a.png?token=geheim",
    "http:/u:geheim@127.0.0.1/a.png",
    "http:\\\\u:geheim@127.0.0.1/a.png",
    "u:geheim@127.0.0.1/a.png",
    "https//u:geheim@127.0.0.1/a.png?X-Amz-Signature=geheim",
    "http://127.0.0.1:1/a.png&X-Amz-Signature=geheim",
    "http://127.0.0.1:1/a.png%3FX-Amz-Signature=geheim",
    "http://geheim#x@127.0.0.1:1/a.png",
    "http://u:geheim@127.0.0.1:99999/a.png",
    "data:u:geheim@127.0.0.1/a.png",
    "file:///srv/a.png?token=geheim",
    "file://u:geheim@127.0.0.1/a.png",
    ["https://example.com/a.png?X-Amz-Signature=geheim"],
    {"url": "https://u:geheim@example.com/a.png"},
]


def test_a_service_full_of_secrets_shows_none(start):
    """Of its settings, of its requests; neither in the log of every level nor in an answer."""
    login = ("user", f"{SECRET}-basic")
    service = start(
        LOG_LEVEL="debug",
        BASIC_AUTH_USER=login[0],
        BASIC_AUTH_PASS=login[1],
        REDIS_URL=f"redis://user:{SECRET}@127.0.0.1:1/0",
        LABEL_STUDIO_URL=f"http://user:{SECRET}@127.0.0.1:1",
        LABEL_STUDIO_API_KEY=TOKEN,
        IMAGE_HOSTS_ALLOWED="*",
        HTTP_PROXY=f"http://user:{SECRET}@127.0.0.1:1",
        HTTPS_PROXY=f"http://user:{SECRET}@127.0.0.1:1",
    )
    service.wait_until_ready(auth=login)
    body = predict_body(*IMAGES, login="user", password=SECRET)
    event = {
        "action": "ANNOTATION_CREATED",
        "project": {**PROJECT, "task_data_login": "user", "task_data_password": SECRET},
        "task": {"id": 1, "data": {"image": IMAGES[0]}},
        "annotation": {"id": 1, "result": [rectangle()], "updated_at": "2026-01-01T00:00:00Z"},
    }
    setup = {"project": "1.100", "schema": "", "access_token": SECRET, "hostname": IMAGES[0]}
    answers = [
        service.ask("POST", "/setup", auth=login, json=setup),
        service.ask("POST", "/predict", auth=login, json=body),
        service.ask("POST", "/predict", auth=("user", f"{SECRET}-wrong"), json=body),
        service.ask("POST", "/webhook", auth=login, json=event),
        *(service.ask("GET", path, auth=login) for path in ("/ready", "/metrics", "/versions")),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 401, 201, 200, 200, 200]
    failed = answers[1].json()["results"]
    assert len(failed) == len(IMAGES)
    assert all("error" in item for item in failed)
    service.process.terminate()
    service.process.wait(120)
    shown = service.log.read_text() + "".join(f"{a.headers}{a.reason}{a.text}" for a in answers)
    secrets = (SECRET, TOKEN, TOKEN.split(".")[1])
    assert [line for line in shown.splitlines() if any(one in line for one in secrets)] == []


def test_the_doctor_shows_no_secret(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "backend", "doctor"],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "DATA_DIR": str(tmp_path),
            "CLIP_MODEL": "nothing",
            "REDIS_URL": f"redis://user:{SECRET}@127.0.0.1:1/0",
            "LABEL_STUDIO_URL": f"http://user:{SECRET}@127.0.0.1:1",
            "LABEL_STUDIO_API_KEY": TOKEN,
        },
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "FAIL  Label Studio" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert TOKEN not in done.stdout + done.stderr

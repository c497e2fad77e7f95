"""HTTP basic authentication: who must give the password, and where."""

import base64

import pytest

from backend.http.app import create_app
from backend.label_studio.webhook_secret import HEADER, webhook_secret

GIVEN = {"Authorization": "Basic " + base64.b64encode("u:päss".encode()).decode()}

WRONG = {"Authorization": "Basic " + base64.b64encode(b"u:pass").decode()}

SECRET = webhook_secret("u", "päss")
EVENT = {"action": "START_TRAINING", "project": {"id": 1}}


class TestPassword:
    @pytest.fixture
    def guarded(self, make_service):
        service = make_service(basic_auth_user="u", basic_auth_pass="päss")
        return create_app(service).test_client()

    @pytest.mark.parametrize(
        "path", ["/", "/health", "/ready", "/metrics", "/versions", "/nowhere"]
    )
    def test_everything_asks_for_it(self, guarded, path):
        refused = guarded.get(path)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Basic")
        assert guarded.get(path, headers=WRONG).status_code == 401
        assert guarded.get(path, headers=GIVEN).status_code in (200, 404)

    @pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Bearer x", "Basic dQ=="])
    def test_a_broken_header_is_401(self, guarded, header):
        assert guarded.get("/health", headers={"Authorization": header}).status_code == 401

    def test_a_webhook_without_password_or_secret_is_refused_and_the_cure_said(
        self, guarded, caplog
    ):
        for headers in ({}, WRONG, {HEADER: ""}, {HEADER: "0" * 40}, {HEADER: SECRET[:-1]}):
            assert guarded.post("/webhook", json=EVENT, headers=headers).status_code == 401
        answer = guarded.post("/webhook", json=EVENT)
        assert "python -m backend connect" in answer.status
        (failure,) = guarded.get("/ready", headers=GIVEN).json["failures"]
        assert failure["code"] == "unauthorized"
        assert "python -m backend connect" in failure["message"]
        assert caplog.text.count("python -m backend connect") == 1

    @pytest.mark.parametrize("headers", [GIVEN, {HEADER: SECRET}])
    def test_webhooks_are_taken_with_the_secret_or_the_password(self, guarded, headers):
        assert guarded.post("/webhook", json=EVENT, headers=headers).status_code == 201

    @pytest.mark.parametrize("path", ["/", "/health", "/ready", "/metrics", "/versions"])
    def test_the_secret_of_webhooks_opens_nothing_else(self, guarded, path):
        assert guarded.get(path, headers={HEADER: SECRET}).status_code == 401

    def test_webhooks_may_be_let_in_without_either(self, make_service):
        client = create_app(
            make_service(basic_auth_user="u", basic_auth_pass="päss", webhook_auth="optional")
        ).test_client()
        assert client.post("/webhook", json=EVENT).status_code == 201
        assert client.post("/webhook", json=EVENT, headers=WRONG).status_code == 401
        assert client.post("/webhook", json=EVENT, headers={HEADER: "x"}).status_code == 401


def test_the_secret_tells_user_and_password_apart():
    assert len({webhook_secret(*pair) for pair in ("ab", "ba", ("a", "b "), ("a ", "b"))}) == 4

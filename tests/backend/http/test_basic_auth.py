"""HTTP basic authentication: who must give the password, and where."""

import base64

import pytest

from backend.http.app import create_app

GIVEN = {"Authorization": "Basic " + base64.b64encode("u:päss".encode()).decode()}

WRONG = {"Authorization": "Basic " + base64.b64encode(b"u:pass").decode()}


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

    def test_webhooks_carry_none_and_are_taken(self, guarded):
        event = {"action": "START_TRAINING", "project": {"id": 1}}
        assert guarded.post("/webhook", json=event).status_code == 201
        assert guarded.post("/webhook", json=event, headers=WRONG).status_code == 401

    def test_webhooks_may_be_made_to_carry_it(self, make_service):
        client = create_app(
            make_service(basic_auth_user="u", basic_auth_pass="päss", webhook_auth="required")
        ).test_client()
        event = {"action": "START_TRAINING", "project": {"id": 1}}
        assert client.post("/webhook", json=event).status_code == 401
        assert client.post("/webhook", json=event, headers=GIVEN).status_code == 201

"""A web page that somebody visits can neither steer the service nor read it."""

import pytest

DELETION = {"action": "ANNOTATIONS_DELETED", "project": {"id": 1}, "annotations": [{"id": 17}]}
EVIL = "http://evil.example"


@pytest.mark.parametrize("origin", [
    EVIL, "null", "", "http://localhost:3000", "https://localhost:1", "file://",
    "moz-extension://a", f"{EVIL}@localhost",
])  # fmt: skip
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_a_page_of_others_deletes_and_sets_nothing(client, origin, content_type):
    for path, body in [("/webhook", DELETION), ("/setup", {"project": "1.1"})]:
        answer = client.post(path, json=body, content_type=content_type, headers={"Origin": origin})
        assert answer.status_code == 403
        assert "add its host to HOSTS_ALLOWED" in answer.status


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9090", "127.0.0.1.evil.example",
                                  "localhost.evil.example", "a b", "[::1", "localhost:x", "a,b",
                                  "u@localhost", "localhost/..", "evil.example."])  # fmt: skip
def test_by_a_rebound_name_nothing_is_read(client, host):
    for path in ("/ready", "/metrics", "/versions", "/health"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 403
        assert "add it to HOSTS_ALLOWED" in answer.status


@pytest.mark.parametrize("host", [
    "localhost", "localhost:9090", "LocalHost:9090", "127.0.0.1:9090", "[::1]:9090", "10.1.2.3",
    "firstpass:9090", "host.docker.internal:9090", "firstpass.labeling.svc.cluster.local", "",
])  # fmt: skip
def test_names_that_no_stranger_can_give_are_known(client, host):
    assert client.get("/ready", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(("listed", "host", "status"), [
    ("fp.example", "fp.example", 200),
    ("fp.example", "FP.example:443", 200),
    ("*.example", "fp.example:9090", 200),
    ("fp.example:9090", "fp.example:9090", 200),
    ("fp.example:9090", "fp.example:9091", 403),
    ("fp.example", "evil.example", 403),
    ("*", "evil.example", 200),
])  # fmt: skip
def test_other_names_are_those_of_the_setting(make_client, listed, host, status):
    client = make_client(hosts_allowed=(listed,))
    assert client.get("/health", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(("origin", "host", "listed", "status"), [
    ("http://localhost:9090", "localhost:9090", (), 200),
    ("http://127.0.0.1:9090", "127.0.0.1:9090", (), 200),
    ("http://firstpass", "firstpass", (), 200),
    ("https://fp.example", "fp.example", ("fp.example",), 200),  # a proxy that keeps the name
    ("https://fp.example", "127.0.0.1:9090", ("fp.example",), 200),  # one that does not
    ("https://fp.example", "127.0.0.1:9090", (), 403),
    ("http://localhost:9091", "localhost:9090", (), 403),
    (EVIL, "fp.example", ("*",), 403),  # the name is any, but no page is
    (EVIL, "fp.example", ("*.example",), 403),
])  # fmt: skip
def test_our_own_page_and_those_of_listed_hosts_may_ask(make_client, origin, host, listed, status):
    client = make_client(hosts_allowed=listed)
    headers = {"Origin": origin, "Host": host}
    assert client.post("/versions", headers=headers).status_code == status


def test_with_a_password_any_name_will_do_but_no_page(make_client):
    client = make_client(basic_auth_user="u", basic_auth_pass="p")
    headers = {"Host": "fp.example"}
    assert client.get("/ready", headers=headers).status_code == 401
    assert client.get("/ready", headers=headers, auth=("u", "p")).status_code == 200
    foreign = headers | {"Origin": EVIL}
    assert (
        client.post("/webhook", json=DELETION, headers=foreign, auth=("u", "p")).status_code == 403
    )


def test_a_request_without_a_host_is_no_browsers(running):
    """Such as the health checks of a load balancer, in HTTP/1.0."""
    assert running.send(b"GET /health HTTP/1.0\r\n\r\n").partition(b" ")[2].startswith(b"200 ")

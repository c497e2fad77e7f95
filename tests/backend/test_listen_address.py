"""The address to listen on: free or not, and its URL on this machine."""

import socket

import pytest

from backend.listen_address import check_bind, local_url


def test_a_taken_port_and_an_address_of_another_machine_are_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            check_bind("127.0.0.1", port)
    check_bind("127.0.0.1", port)
    with pytest.raises(OSError, match="assign"):
        check_bind("192.0.2.1", port)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9090"),
        ("labels.lan", "http://labels.lan:9090"),
        ("0.0.0.0", "http://127.0.0.1:9090"),  # all addresses
        ("::", "http://127.0.0.1:9090"),
        ("::1", "http://[::1]:9090"),
    ],
)
def test_the_url_is_one_that_programs_on_this_machine_can_open(host, url):
    assert local_url(host, 9090) == url

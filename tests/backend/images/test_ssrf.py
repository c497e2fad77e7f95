"""Addresses inside the network are not requested, whatever a task names."""

import socket

import pytest

from backend.errors import (
    ImageForbidden,
)
from backend.images.ssrf import is_public
from tests.support.fake_label_studio import (
    Reply,
)
from tests.support.image_files import PNG_REPLY, is_the_image, loader


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
        "http://[fec0::1]/a.png",
        "http://[::127.0.0.1]/a.png",
        "http://[::7f00:1]/a.png",
        "http://[::10.0.0.1]/a.png",
        "http://[::ffff:0:127.0.0.1]/a.png",
        "http://[64:ff9b:1::7f00:1]/a.png",
        "http://[2600::5efe:10.0.0.1]/a.png",
        "http://[2600::200:5efe:a00:1]/a.png",
        "http://[2002:7f00:1::]/a.png",
        "http://[2001:db8::1]/a.png",
        "http://[3fff::1]/a.png",
        "http://[5f00::1]/a.png",
        "http://[100::1]/a.png",
        "http://[ff02::1]/a.png",
        "http://[::]/a.png",
        "http://168.63.129.16/a.png",
        "http://192.0.0.192/a.png",
        "http://100.100.100.200/a.png",
    ],
)
def test_addresses_inside_the_network_are_refused_unasked(studio, web, url):
    web.pages["/a.png"] = PNG_REPLY
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
    web.pages["/a.png"] = PNG_REPLY
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


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "2a00:1450::5efe:808:808"],
)
def test_addresses_of_public_networks_are_public(address):
    assert is_public(address)

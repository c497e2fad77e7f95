"""What a /setup says of Label Studio is believed once, and never against the operator."""

import pytest

from backend.label_studio.client import LabelStudio
from backend.label_studio.key_check import KeyCheck
from tests.support.fake_label_studio import LEGACY, PERSONAL, FakeLabelStudio

ANOTHER = LEGACY[::-1]


@pytest.fixture
def server():
    found = FakeLabelStudio()
    yield found
    found.close()


def test_a_later_setup_replaces_neither_name_nor_token():
    studio = LabelStudio("http://label-studio:8080")
    studio.update_from_setup("http://localhost:8080", LEGACY)
    assert not studio.update_from_setup("https://images.example", ANOTHER)
    assert studio.api_key == LEGACY
    elsewhere = "https://images.example/data/upload/1/a.png"
    assert studio.to_reachable_url(elsewhere) == elsewhere
    own = "http://localhost:8080/data/upload/1/a.png"
    assert studio.to_reachable_url(own) == "http://label-studio:8080/data/upload/1/a.png"


def test_a_token_that_label_studio_refuses_makes_room_for_the_next(server):
    studio = LabelStudio(server.url)
    studio.update_from_setup(None, ANOTHER)  # a stranger was first
    KeyCheck(studio).try_now()
    assert studio.update_from_setup(None, LEGACY)
    KeyCheck(studio).try_now()
    assert not studio.update_from_setup(None, ANOTHER)
    assert studio.api_key == LEGACY


def test_a_token_of_another_setup_has_the_first_one_tried_again(server):
    studio = LabelStudio(server.url)
    studio.update_from_setup(None, LEGACY)
    check = KeyCheck(studio)
    check.try_now()
    server.is_legacy_allowed = False  # it was reset
    studio.update_from_setup(None, ANOTHER)
    assert studio.introduction.is_contested
    check.try_now()
    assert studio.update_from_setup(None, ANOTHER)


def test_the_operators_key_is_never_replaced():
    studio = LabelStudio("http://label-studio:8080", PERSONAL)
    studio.update_from_setup("http://evil.example", LEGACY)
    assert studio.api_key == PERSONAL
    assert not studio.headers_for("http://evil.example/data/upload/1/a.png")


@pytest.mark.parametrize("name", ["http://h:99999", "x", "ftp://h", "http://", "http://[", "//h"])
def test_a_name_that_is_no_address_does_not_keep_out_the_right_one(name):
    studio = LabelStudio("http://label-studio:8080")
    studio.update_from_setup(name, None)
    studio.update_from_setup("http://localhost:8080", None)
    assert studio.to_reachable_url("http://localhost:8080/a") == "http://label-studio:8080/a"

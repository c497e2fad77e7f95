"""What a project set up is remembered: between processes, and without a store too."""

import pytest

from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.project_registry import ProjectRegistry
from backend.store.keys import project_config_key, project_settings_key
from backend.store.store import open_store

CLIP = ProjectSettings(method="clip", background=("sky",))


@pytest.fixture
def gone(tmp_path):
    """A store whose server does not answer."""
    store = open_store("redis://127.0.0.1:9", tmp_path)
    yield store
    store.close()


def test_another_process_recalls_it(store):
    ProjectRegistry(store).save("1.100", CLIP)
    assert ProjectRegistry(store).settings_of("1.100") == CLIP


def test_another_process_recalls_the_digest_of_its_config(store):
    ProjectRegistry(store).save("1.101", CLIP, "0123456789abcdef")
    assert ProjectRegistry(store).config_digest_of("1.101") == "0123456789abcdef"
    assert ProjectRegistry(store).config_digest_of("1.102") == ""


@pytest.mark.parametrize("foreign", [b"\xff\xfe", b"{}", b"0123456789abcdeX"])
def test_a_digest_that_is_none_is_not_used(store, foreign):
    store.set_many({project_config_key("6.101"): foreign})
    assert ProjectRegistry(store).config_digest_of("6.101") == ""


def test_the_newest_wins_in_all_processes(store):
    one, two = ProjectRegistry(store), ProjectRegistry(store)
    one.save("2.100", CLIP)
    two.save("2.100", ProjectSettings())
    assert one.settings_of("2.100") == ProjectSettings()


def test_a_project_that_set_nothing_has_the_defaults(store):
    assert ProjectRegistry(store).settings_of("3.100") == ProjectSettings()


def test_projects_of_the_same_number_are_told_apart_by_their_birth(store):
    projects = ProjectRegistry(store)
    projects.save("4.100", CLIP)
    assert projects.settings_of("4.200") == ProjectSettings()


def test_without_a_store_this_process_still_knows(gone):
    projects = ProjectRegistry(gone)
    projects.save("5.100", CLIP, "0123456789abcdef")
    assert projects.settings_of("5.100") == CLIP
    assert projects.config_digest_of("5.100") == "0123456789abcdef"
    assert projects.set_up_here() == ["5.100"]


@pytest.mark.parametrize("foreign", [b"\xff\xfe", b"[]", b"{", b'{"method": "of a later version"}'])
def test_what_cannot_be_read_back_is_not_used(store, foreign):
    store.set_many({project_settings_key("6.100"): foreign})
    assert ProjectRegistry(store).settings_of("6.100") == ProjectSettings()

"""A project's ML backend in Label Studio: which one is ours, and its extra params."""

import json

import pytest

from backend.errors import LabelStudioError, SettingsError
from backend.label_studio.client import LabelStudio
from backend.label_studio.ml_backend import changed_params, find_ml_backend, set_extra_params
from backend.label_studio.project_settings import ProjectSettings
from tests.support.fake_label_studio import LEGACY, FakeLabelStudio, as_json

ROW = {"id": 5, "url": "http://user:secret@10.0.0.5:9090", "project": 12, "auth_method": "NONE"}


@pytest.fixture
def server():
    server = FakeLabelStudio()
    yield server
    server.close()


@pytest.fixture
def find(server):
    def find(*rows: object, port: int = 9090):
        server.pages["/api/ml/?project=12"] = as_json(rows)
        return find_ml_backend(LabelStudio(server.url, LEGACY), 12, port)

    return find


def test_the_only_backend_is_ours_whatever_its_port(find):
    found = find(ROW | {"extra_params": {"refiner": "crf"}}, port=1)
    assert (found.id, found.extra_params) == (5, {"refiner": "crf"})
    assert find() is None


def test_of_several_the_one_at_our_port_is_ours(find):
    other = ROW | {"id": 6, "url": "http://sam:9091", "extra_params": None}
    assert find(ROW, other, port=9091).id == 6
    with pytest.raises(SettingsError, match=r"2 models .*0 of them at port 80: set PORT") as told:
        find(ROW, other, port=80)
    assert "secret" not in str(told.value)


def test_a_list_of_another_form_is_said(find):
    with pytest.raises(LabelStudioError, match="in no known form"):
        find({"url": "http://a:1"})


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        (None, {"refiner": "none"}),
        ({"color": 1}, {"refiner": "none"}),
        ('{"color": 1}', '{"refiner": "none"}'),
    ],
)
def test_extra_params_are_sent_in_the_form_that_they_had(server, find, stored, sent):
    server.pages["/api/ml/5"] = as_json({"id": 5})
    found = find(ROW | {"extra_params": stored})
    set_extra_params(LabelStudio(server.url, LEGACY), found, {"refiner": "none"})
    asked = server.asked[-1]
    assert (asked.method, asked.path) == ("PATCH", "/api/ml/5")
    assert json.loads(asked.body) == {
        "url": ROW["url"], "project": 12, "auth_method": "NONE", "extra_params": sent
    }  # fmt: skip


def test_a_password_that_label_studio_has_stays(server, find):
    """It checks a changed backend by what it is sent; an empty password stands for its own."""
    server.pages["/api/ml/5"] = as_json({"id": 5})
    found = find(ROW | {"auth_method": "BASIC_AUTH", "basic_auth_user": "sam"})
    set_extra_params(LabelStudio(server.url, LEGACY), found, {})
    sent = json.loads(server.asked[-1].body)
    assert (sent["basic_auth_user"], sent["basic_auth_pass"]) == ("sam", "")


def test_only_what_differs_is_changed_in_the_params():
    params = {"color": "red", "refiner": "none", "prob_threshold": 0.3, "templates": "street"}
    before = ProjectSettings(refiner="none", prob_threshold=0.3, templates="street")
    after = ProjectSettings(prob_threshold=0.5, templates="street", synonyms={"Sky": ("cloud",)})
    assert changed_params(params, before, after) == {
        "color": "red", "prob_threshold": 0.5, "templates": "street", "synonyms": {"Sky": ["cloud"]}
    }  # fmt: skip
    assert changed_params(params, before, before) == params

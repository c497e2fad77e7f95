"""extra_params of a project: object, JSON text or nothing; wrong ones named."""

import json

import pytest

from backend.errors import SettingsError
from backend.label_studio.project_settings import ProjectSettings
from model import SegmentSettings


def read(params) -> ProjectSettings:
    settings, ignored = ProjectSettings.from_extra_params(params)
    assert ignored == []
    return settings


@pytest.mark.parametrize("nothing", [None, "", "  ", {}, "{}", "null"])
def test_no_params_are_the_defaults(nothing):
    assert read(nothing) == ProjectSettings()


def test_an_object_and_its_json_text_mean_the_same():
    params = {"method": "clip", "prob_threshold": 0.25, "background": ["floor", "wall"]}
    settings = read(params)
    assert settings == read(json.dumps(params))
    assert settings.method == "clip"
    assert settings.background == ("floor", "wall")


def test_words_may_be_one_text_with_commas():
    assert read({"background": "floor, wall,"}).background == ("floor", "wall")


def test_labels_have_descriptions_and_synonyms():
    settings = read({"descriptions": {"Cat": "a furry animal"}, "synonyms": {"Cat": ["kitten"]}})
    assert settings.descriptions == {"Cat": "a furry animal"}
    assert settings.synonyms == {"Cat": ("kitten",)}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"method": "clap"}, 'method cannot be "clap". It takes one of '),
        ({"refiner": 3}, "refiner cannot be 3"),
        ({"prob_threshold": 2}, "a number from 0 to 1"),
        ({"logit_scale": True}, "a number from 1 to 1000"),
        ({"auto_negatives": "yes"}, "true or false"),
        ({"background": [1]}, "a list of words"),
        ({"synonyms": {"Cat": 1}}, "synonyms['Cat'] cannot be 1"),
        ({"descriptions": ["Cat"]}, "an object with one entry a label"),
        ([1, 2], "must be a JSON object"),
        ("{oops", "is not JSON"),
        ("3", "must be a JSON object"),
    ],
)
def test_what_cannot_be_used_is_named(params, said):
    with pytest.raises(SettingsError) as caught:
        ProjectSettings.from_extra_params(params)
    assert said in str(caught.value)


def test_a_misspelled_key_is_refused_with_the_right_one():
    with pytest.raises(SettingsError, match=r"'metod' is not known.*Did you mean 'method'"):
        ProjectSettings.from_extra_params({"metod": "clip"})


def test_a_key_like_none_of_ours_is_reported_and_ignored():
    settings, ignored = ProjectSettings.from_extra_params({"k": "v", "method": "clip"})
    assert settings == ProjectSettings(method="clip")
    assert len(ignored) == 1
    assert "'k' is not known. Known are method, " in ignored[0]


def test_what_is_kept_reads_back_as_it_was():
    settings = read(
        {"method": "clip", "synonyms": {"Cat": ["kitten"]}, "min_region_px": 5, "background": "sky"}
    )
    assert read(settings.to_json().decode()) == settings
    assert ProjectSettings().to_json() == b"{}"


def test_the_projects_choice_lies_over_the_servers():
    server = SegmentSettings(method="firstpass", refiner="none", prob_threshold=0.5)
    assert read({"method": "clip"}).segment_settings(server) == SegmentSettings(
        method="clip", refiner="none", prob_threshold=0.5
    )


def test_words_are_told_apart_from_what_the_model_is_passed():
    assert read({"method": "clip"}).vocabulary_json() == b""
    assert (
        read({"method": "clip", "background": "sky"}).vocabulary_json()
        == b'{"background": ["sky"]}'
    )

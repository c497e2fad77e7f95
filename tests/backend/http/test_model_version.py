"""`model_version`: another one for whatever predictions depend on, and for nothing else."""

import json
from dataclasses import replace

import pytest
import torch

from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.project_context import ContextResolver
from model import SegmentSettings

CONFIG = """<View>
  <Header value="Paint it"/>
  <Image name="image" value="$image" zoom="true"/>
  <BrushLabels name="tag" toName="image" choice="single">
    <Label value="Cat" alias="c" background="#ff0000" hotkey="1" hint="furry" />
    <Label value="Dog" predicted_values="hound, puppy"/>
  </BrushLabels>
  <Choices name="quality" toName="image"><Choice value="good"/></Choices>
</View>"""

SECOND = '<PolygonLabels name="p" toName="image"><Label value="Cat"/></PolygonLabels>'
REPEATER = """<Repeater on="$more">
  <Image name="i{{idx}}" value="$more[{{idx}}]"/>
  <PolygonLabels name="p{{idx}}" toName="i{{idx}}"><Label value="Cat"/></PolygonLabels>
</Repeater>"""

# Part of CONFIG -> what is put in its place.
RELEVANT_EDITS = {
    "a label is added": ("</BrushLabels>", '<Label value="Bird"/></BrushLabels>'),
    "a label is gone": ('<Label value="Dog" predicted_values="hound, puppy"/>', ""),
    "a value": ('value="Cat"', 'value="Lion"'),
    "an alias": ('alias="c"', 'alias="k"'),
    "a hint": ('hint="furry"', 'hint="bald"'),
    "synonyms": ("hound, puppy", "hound, puppy, wolf"),
    "no synonyms": (' predicted_values="hound, puppy"', ""),
    "the name of the control": ('name="tag"', 'name="mask"'),
    "the name of the image": ('"image"', '"photo"'),
    "the key of the image": ("$image", "$photo"),
    "pages": ('value="$image"', 'valueList="$image"'),
    "another kind of control": ("BrushLabels", "PolygonLabels"),
    "a score threshold": ('choice="single"', 'model_score_threshold="0.5"'),
    "a score threshold of a label": ('alias="c"', 'alias="c" model_score_threshold="0.5"'),
    "dynamic labels": ('choice="single"', 'value="$labels"'),
    "a second control": ("<Choices", f"{SECOND}<Choices"),
    "a repeater": ("<Choices", f"{REPEATER}<Choices"),
}
IRRELEVANT_EDITS = {
    "a color": ("#ff0000", "#00ff00"),
    "a hotkey": ('hotkey="1"', 'hotkey="2"'),
    "a title": ("Paint it", "Paint all of it"),
    "white space": ("\n  ", "\n\n      "),
    "a comment": ("<Image", "<!-- the photo --><Image"),
    "the order of attributes": ('value="Cat" alias="c"', 'alias="c" value="Cat"'),
    "the layout": ("<Header", '<View style="display: flex"/><Header'),
    "how the image is shown": ('zoom="true"', 'zoom="false" rotateControl="true"'),
    "how labels are chosen": ('choice="single"', 'choice="multiple" showInline="true"'),
    "a control that is skipped": (
        "<Choices",
        SECOND.replace(" ", ' model_skip="true" ', 1) + "<Choices",
    ),
    "a control that is not painted": ('value="good"', 'value="sharp"'),
    "spaces between synonyms": ("hound, puppy", "hound,puppy"),
}
# Each setting of a project -> a value that is not the default.
EXTRA_PARAMS = {
    "method": "clip",
    "refiner": "none",
    "templates": "plain",
    "logit_scale": 33,
    "prob_threshold": 0.3,
    "area_threshold": 0.2,
    "description_weight": 0.7,
    "synonym_reduction": "mean",
    "auto_negatives": False,
    "background": ["wall"],
    "descriptions": {"Cat": "a cat on a mat"},
    "synonyms": {"Cat": ["kitten"]},
    "min_region_px": 99,
    "min_score": 0.7,
    "regions": "part",
}


def version(client, label_config=CONFIG, **extra_params) -> str:
    """Of /setup, which is also that of a /predict with the same config."""
    body = {"project": "501.1", "schema": label_config, "extra_params": extra_params}
    found: str = json.loads(client.post("/setup", json=body).data)["model_version"]
    tasks = [{"id": 1, "data": {}}]
    body = {"project": "501.1", "label_config": label_config, "tasks": tasks}
    (item,) = json.loads(client.post("/predict", json=body).data)["results"]
    assert item["model_version"] == found
    return found


def edited(edit: tuple[str, str]) -> str:
    part, replacement = edit
    assert part in CONFIG
    return CONFIG.replace(part, replacement)


@pytest.mark.parametrize("edit", RELEVANT_EDITS.values(), ids=RELEVANT_EDITS)
def test_an_edit_of_the_config_that_changes_predictions_changes_the_version(client, edit):
    assert version(client, edited(edit)) != version(client)


@pytest.mark.parametrize("edit", IRRELEVANT_EDITS.values(), ids=IRRELEVANT_EDITS)
def test_an_edit_of_the_config_that_changes_no_prediction_keeps_the_version(client, edit):
    assert version(client, edited(edit)) == version(client)


def test_no_two_edits_of_the_config_have_one_version(client):
    versions = {version(client, edited(edit)) for edit in RELEVANT_EDITS.values()}
    assert len(versions) == len(RELEVANT_EDITS)


@pytest.mark.parametrize("key", sorted(ProjectSettings.model_fields.keys() - {"memory_version"}))
def test_every_setting_of_a_project_changes_the_version(client, key):
    changed = version(client, **{key: EXTRA_PARAMS[key]})
    assert changed != version(client)
    assert changed == version(client, **{key: EXTRA_PARAMS[key]})


@pytest.mark.parametrize("changes", [{"method": "clip"}, {"refiner": "none"}])
def test_settings_of_the_server_that_predictions_depend_on_change_the_version(
    client, make_client, changes
):
    assert version(make_client(**changes)) != version(client)


@pytest.mark.parametrize("changes", [{"learn_every": 2}, {"image_max_mb": 1}, {"threads": 9}])
def test_settings_of_the_server_that_no_prediction_depends_on_keep_the_version(
    client, make_client, changes
):
    assert version(make_client(**changes)) == version(client)


def test_the_arithmetic_of_the_model_is_part_of_the_version(tiny_segmenter):
    half = replace(tiny_segmenter.encode_image, autocast_dtype=torch.bfloat16)
    versions = {
        ContextResolver(segmenter, SegmentSettings())("1.1", ProjectSettings()).model_version()
        for segmenter in (tiny_segmenter, replace(tiny_segmenter, encode_image=half))
    }
    assert len(versions) == 2


def test_another_release_names_another_version(client, monkeypatch):
    before = version(client)
    monkeypatch.setattr("backend.prediction.project_context.RELEASE", "0.0.1")
    assert version(client) != before


def test_versions_lists_what_setup_answered(client):
    newest = version(client, background=["wall"])
    assert newest in client.get("/versions").json["versions"]


def test_another_worker_knows_the_version_of_a_project(client, make_client):
    newest = version(client, background=["wall"])
    answer = make_client().post("/versions", json={"project": "501.1"})
    assert newest in answer.json["versions"]


def test_a_name_of_odd_signs_makes_a_version_that_label_studio_can_list(tiny_segmenter):
    """Label Studio splits lists of versions at commas, and takes quotes out of them."""
    odd = replace(tiny_segmenter, model_name='mine, "new" @ 2è')
    context = ContextResolver(odd, SegmentSettings())("1.1", ProjectSettings())
    assert context.model_version().startswith(f"mine_new_2_-{odd.fingerprint[:8]}/firstpass/")


def test_label_studios_tabs_tell_versions_apart(tiny_segmenter):
    """They show the first 8 and the last 6 characters; filters look for a version in others."""
    context = ContextResolver(tiny_segmenter, SegmentSettings())("1.1", ProjectSettings())
    lessons = ["", "1-1a2b3c", "1-d4e5f6", "12-1a2b3c", "12345-1a2b3c"]
    versions = [context.model_version(name, "5f3a5f3a5f3a5f3a") for name in lessons]
    assert [one[:8] for one in versions] == [
        "tiny_cli", "mem1-tin", "mem1-tin", "mem12-ti", "mem12345",
    ]  # fmt: skip
    assert len({one[-6:] for one in versions}) == len(versions)
    assert sum(one in other for one in versions for other in versions) == len(versions)

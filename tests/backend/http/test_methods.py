"""Every method by its name, through the service's door."""

import pytest

from backend.http.app import create_app
from model import METHODS

CONFIG = """<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">
<Label value="Cat"/><Label value="Dog"/></BrushLabels></View>"""


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_predict_and_a_click(make_service, photo_uri, method):
    client = create_app(make_service(method=method)).test_client()
    assert client.post("/setup", json={"project": "9.1", "schema": CONFIG}).status_code == 200
    body = {
        "tasks": [{"id": 1, "data": {"image": photo_uri}}],
        "label_config": CONFIG,
        "project": "9.1",
    }
    (whole,) = client.post("/predict", json=body).json["results"]
    assert "result" in whole, whole
    assert f"/{method}/" in whole["model_version"]
    click = {
        "type": "keypointlabels",
        "id": "k",
        "to_name": "image",
        "is_positive": True,
        "value": {"x": 50, "y": 40, "width": 1, "keypointlabels": ["Cat"]},
    }
    (answer,) = client.post(
        "/predict", json=body | {"params": {"context": {"result": [click]}}}
    ).json["results"]
    assert len(answer["result"]) == 1, answer


@pytest.mark.parametrize(("method", "encoded"), [("naclip", 1), ("resclip", 2)])
def test_vocabularies_share_features_unless_those_depend_on_the_words(
    make_service, photo_uri, method, encoded
):
    """ResCLIP reads the words while it encodes the image."""
    service = make_service(method=method)
    client = create_app(service).test_client()
    other = '<BrushLabels name="other" toName="image"><Label value="Sky"/></BrushLabels></View>'
    body = {
        "tasks": [{"data": {"image": photo_uri}}],
        "label_config": CONFIG.replace("</View>", other),
    }
    (found,) = client.post("/predict", json=body).json["results"]
    assert "result" in found, found
    assert service.pages.cache.counts["misses"] == encoded

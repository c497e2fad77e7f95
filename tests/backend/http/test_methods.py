"""Every method by its name, through the service's door."""

from typing import Any

import pytest

from backend.http.app import create_app
from model import METHODS
from tests.support.label_configs import CAT_DOG_CONFIG, IMAGE, brush_labels, config
from tests.support.request_bodies import click


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_predict_and_a_click(make_client, photo_uri, method):
    client = make_client(method=method)
    setup = {"project": "9.1", "schema": CAT_DOG_CONFIG}
    assert client.post("/setup", json=setup).status_code == 200
    body = {
        "tasks": [{"id": 1, "data": {"image": photo_uri}}],
        "label_config": CAT_DOG_CONFIG,
        "project": "9.1",
    }
    (whole,) = client.post("/predict", json=body).json["results"]
    assert "result" in whole, whole
    assert f"/{method}/" in whole["model_version"]
    params = {"context": {"result": [click(50, 40, is_positive=True)]}}
    (answer,) = client.post("/predict", json={**body, "params": params}).json["results"]
    assert len(answer["result"]) == 1, answer


@pytest.mark.parametrize(("method", "encoded"), [("naclip", 1), ("resclip", 2)])
def test_vocabularies_share_features_unless_those_depend_on_the_words(
    make_service, photo_uri, method, encoded
):
    """ResCLIP reads the words while it encodes the image."""
    service = make_service(method=method)
    client: Any = create_app(service).test_client()
    other = brush_labels('<Label value="Sky"/>', name="other")
    body = {
        "tasks": [{"data": {"image": photo_uri}}],
        "label_config": config(IMAGE, brush_labels(), other),
    }
    (found,) = client.post("/predict", json=body).json["results"]
    assert "result" in found, found
    assert service.pages.cache.counts["misses"] == encoded

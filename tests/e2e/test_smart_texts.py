"""A smart tool that sends no click and no box gets no suggestion, instead of every label's mask."""

from typing import Any

import pytest

from tests.support.label_configs import CAT_DOG, IMAGE, brush_labels, config

pytestmark = pytest.mark.e2e

CONFIG = config(
    IMAGE,
    brush_labels(),
    '<TextArea name="prompt" toName="image" smart="true"/>',
    f'<KeyPointLabels name="kp" toName="image" smart="true">{CAT_DOG}</KeyPointLabels>',
)
SHARED = {"to_name": "image", "original_width": 451, "original_height": 300, "image_rotation": 0}
TEXT = {"type": "textarea", "from_name": "prompt", "id": "t1", "value": {"text": ["a cat"]}}
CLICK = {
    "type": "keypointlabels", "from_name": "kp", "id": "k1", "is_positive": True,
    "value": {"x": 40, "y": 50, "width": 0.5, "keypointlabels": ["Cat"]},
}  # fmt: skip


@pytest.fixture
def ask(label_studio, connected, cat):
    """What Label Studio answers to a smart tool that sends these items."""
    project = connected(CONFIG)
    (task,) = label_studio.upload(project, cat)
    (row,) = label_studio.ask("GET", f"/api/ml?project={project}")

    def ask(*items: dict[str, Any]) -> list[dict[str, Any]]:
        context = {"result": [{**SHARED, **item} for item in items]}
        path = f"/api/ml/{row['id']}/interactive-annotating"
        answer = label_studio.ask("POST", path, json={"task": task, "context": context})
        assert not answer.get("errors"), answer
        regions: list[dict[str, Any]] = answer["data"]["result"]
        return regions

    return ask


def test_a_text_alone_is_answered_empty(ask):
    assert ask(TEXT) == []


def test_a_click_beside_a_text_is_answered(ask):
    (region,) = ask(TEXT, CLICK)
    assert region["value"]["brushlabels"] == ["Cat"]

"""What a person reads in Label Studio's dialog for models when something is wrong, and when not."""

import pytest

from tests.support.label_configs import CAT_DOG_CONFIG, IMAGE, config
from tests.support.label_studio_models import ModelsPage
from tests.support.running_service import free_port

pytestmark = pytest.mark.e2e

CHOICES = config(IMAGE, '<Choices name="tag" toName="image"><Choice value="a"/></Choices>')


@pytest.fixture
def connect_model(page, label_studio):
    """Fill in the dialog for a project with this config; what it says, or "" once connected."""

    def connect(label_config: str, url: str, extra_params: str = "") -> str:
        project = label_studio.new_project("dialog", label_config)
        return ModelsPage(page, label_studio.url, project).connect(url, extra_params)

    return connect


def test_a_right_config_with_right_params_connects(connect_model, backend):
    assert connect_model(CAT_DOG_CONFIG, backend.url, '{"min_score": 0}') == ""


def test_a_config_without_a_control_to_paint_is_named_with_what_to_add(connect_model, backend):
    said = connect_model(CHOICES, backend.url)
    assert "Add a BrushLabels, BitmaskLabels or PolygonLabels" in said
    assert 'It has: [Choices name="tag"].' in said


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ('{"methdo": "firstpass"}', "methdo"),  # misspelt
        ('{"method": "clap"}', 'method cannot be "clap"'),  # an unknown value
        ('{"method": ', "extra_params"),  # malformed
    ],
)
def test_wrong_extra_params_are_named(connect_model, backend, params, sentence):
    assert sentence in connect_model(CAT_DOG_CONFIG, backend.url, params)


def test_a_service_that_does_not_run_is_said_to_be_unreachable(connect_model):
    url = f"http://127.0.0.1:{free_port()}"
    assert f"Can't connect to ML backend {url}" in connect_model(CAT_DOG_CONFIG, url)

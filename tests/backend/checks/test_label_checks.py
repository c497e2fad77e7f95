"""Labels that CLIP hardly understands, as the doctor finds them."""

import pytest

from backend.checks.label_studio_checks import check_label_studio
from tests.support.fake_label_studio import as_json
from tests.support.label_configs import IMAGE, brush_labels, config, labels


def label_checks(installation, studio, label_config) -> list:
    studio.pages["/api/projects/3/"] = as_json({"id": 3, "label_config": label_config})
    return [check for check in check_label_studio(installation) if check.name == "labels"]


def test_labels_that_are_not_english_are_named_with_the_remedy(installation, studio):
    text = config(IMAGE, brush_labels(labels("猫", "Dog", "Bäume")))
    (check,) = label_checks(installation, studio, text)
    assert check.ok is None
    assert "project 3: " in check.found
    assert "猫, Bäume" in check.found
    assert "Dog" not in check.found
    assert 'hint="' in check.remedy


@pytest.mark.parametrize(
    "label",
    [
        '<Label value="Cat"/>',
        '<Label value="猫" hint="cat"/>',
        '<Label value="猫" predicted_values="cat, kitten"/>',
        '<Label value="Cat – black"/>',
    ],
)
def test_labels_with_english_words_are_not(installation, studio, label):
    assert label_checks(installation, studio, config(IMAGE, brush_labels(label))) == []


def test_a_project_that_cannot_be_read_has_no_line(installation, studio):
    assert [c for c in check_label_studio(installation) if c.name == "labels"] == []
    assert label_checks(installation, studio, "<View>") == []

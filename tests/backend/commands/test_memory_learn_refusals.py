"""What `memory learn` cannot do is one sentence, and the queue is as it was."""

import pytest

from tests.support.fake_label_studio import as_json


def test_a_project_without_annotations_is_said(learn, learning_service, annotated):
    code, said, _ = learn()
    assert (code, said.partition(":")[0]) == (
        0, "'Fields' (project 12) has no annotations to learn from"
    )  # fmt: skip
    assert learning_service.events.size() == 0


@pytest.mark.parametrize(
    ("name", "environment", "words"),
    [
        ("57", {}, "has no project 57, or its token may not see it"),
        ("scratches", {}, "'scratches' is no project: give its number"),
        ("12.300", {}, "Label Studio's project 12 is 12.200, not 12.300"),
        ("12", {"LABEL_STUDIO_API_KEY": ""}, "Label Studio wants a token"),
        ("12", {"LABEL_STUDIO_URL": "http://127.0.0.1:9"}, "does not answer"),
        ("12", {"LEARN": "off"}, "LEARN=off: nothing would be learned"),
        ("12", {"CLIP_PRETRAINED": "/gone.safetensors"}, "gone.safetensors"),
    ],
)
def test_what_cannot_be_learned_is_one_sentence(
    learn, learning_service, annotated, name, environment, words
):
    annotated.annotate(20)
    code, said, error = learn(name, **environment)
    assert (code, said) == (1, "")
    assert words in error
    assert "Traceback" not in error
    assert learning_service.events.size() == 0


def test_a_project_that_no_setup_has_named_is_not_learned_with_settings_of_nobody(
    learn, learning_service, annotated
):
    learning_service.store.run("forget", lambda client: client.flushall())
    annotated.annotate(20)
    code, _, error = learn()
    assert code == 1
    assert "Project 12 is not known here" in error
    assert "connect the model to it first" in error


def test_a_label_studio_that_fails_on_the_way_leaves_the_queue_as_it_was(
    learn, learning_service, annotated
):
    for center_x in range(16, 40, 2):
        annotated.annotate(center_x)
    first = annotated.studio.pages["/api/tasks"]
    annotated.studio.pages["/api/tasks"] = lambda asked: (
        first(asked) if "page=1&" in asked.path + "&" else as_json({"detail": "down"}, 502)
    )
    code, _, error = learn()
    assert code == 1
    assert "502" in error
    assert learning_service.events.size() == 0

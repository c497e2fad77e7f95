"""Events in any order and number leave the same lessons; deletions are final."""

import pytest

from backend.memory.predicted_masks import MaskPlace
from tests.support.annotations import CONFIG, EVERY_PIXEL, KEY, PROJECT, TRAIN, deletion, taught


def test_duplicates_teach_once_and_the_older_update_does_not_come_back(learner, send, corrected):
    newer = corrected(second=9, action="ANNOTATION_UPDATED", result=[])
    send(corrected(second=1), corrected(second=1), newer, corrected(second=5), newer)
    (ref,) = learner.lessons.index(KEY).annotations["1"].lessons
    assert ref.labels == ()
    assert learner.lessons.index(KEY).changes == 2
    assert learner.counts["lessons"] == 2


@pytest.mark.parametrize("last", ["creation", "deletion"])
def test_a_deleted_annotation_leaves_no_trace_in_whatever_order(
    learner, service, send, corrected, last
):
    plain = service.annotator.version(EVERY_PIXEL, KEY)
    send(corrected(1), TRAIN, corrected(2)) if last == "deletion" else None
    send(deletion(1, 2), corrected(1), corrected(2), TRAIN)
    assert taught(learner) == []
    assert service.annotator.version(EVERY_PIXEL, KEY) == plain


def test_a_deleted_task_takes_its_annotations_with_it(learner, service, send, corrected, photo_uri):
    send(corrected(1, task=5), corrected(2, task=6), TRAIN)
    service.annotator.predict(
        [{"id": 5, "data": {"image": photo_uri}}], CONFIG, EVERY_PIXEL, project_id=KEY
    )
    send({"action": "TASKS_DELETED", "project": PROJECT, "tasks": [{"id": 5}]})
    assert taught(learner) == ["2"]
    assert list(learner.lessons.index(KEY).versions[0].annotations) == ["2"]
    assert learner.predicted_masks.load(KEY, 5, MaskPlace("tag", "image", 0)) is None


def test_a_skipped_annotation_teaches_nothing_and_no_longer(learner, send, corrected):
    send(corrected(was_cancelled=True, result=[]))
    assert taught(learner) == []
    send(corrected(second=1), corrected(second=2, was_cancelled=True))
    assert taught(learner) == []

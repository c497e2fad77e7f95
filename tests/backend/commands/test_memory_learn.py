"""`memory learn`: what a project's people annotated before teaches by a running Firstpass."""

import json

from backend.label_studio.project_settings import ProjectSettings
from backend.learning.event_queue import EventQueue, QueueConfig
from backend.masks.brush_rle import decode_mask
from backend.service import Service
from tests.support.annotated_export import HW, annotation_of, disk, photo_of
from tests.support.annotated_project import KEY, AnnotatedProject
from tests.support.annotations import CONFIG, EVERY_PIXEL

CENTERS = (16, 20, 24, 28, 32, 36)


def work_off(service: Service) -> int:
    """Process all that is queued; how many lessons were stored."""
    before = service.learning_worker.counts["lessons"]
    while service.learning_worker.process_one():
        pass
    service.learning_worker.process_one()  # the version that was asked for
    return service.learning_worker.counts["lessons"] - before


def share_called_dog(service: Service, annotated: AnnotatedProject, center_x: int = 26) -> float:
    """Of a disk that nobody annotated."""
    annotated.export.add(photo_of(disk(center_x)))
    task = annotated.export.tasks.pop()
    (item,) = service.annotator.predict([task], CONFIG, EVERY_PIXEL, project_id=KEY)
    found = [one for one in item["result"] if one["value"]["brushlabels"] == ["Dog"]]
    masks = [decode_mask(one["value"]["rle"], height_px=HW[0], width_px=HW[1]) for one in found]
    return float(sum(mask[disk(center_x)].mean() for mask in masks))


def test_annotations_from_before_become_lessons_that_predict(learn, learning_service, annotated):
    for center_x in CENTERS:
        annotated.annotate(center_x)
    assert share_called_dog(learning_service, annotated) < 0.2
    code, said, _ = learn()
    assert code == 0
    assert said.startswith("6 annotations of 'Fields' (project 12) are in the queue; a running ")
    assert work_off(learning_service) == 6
    (version,) = learning_service.lessons.index(KEY).versions
    assert len(version.annotations) == 6
    assert share_called_dog(learning_service, annotated) > 0.8


def test_a_second_run_queues_none_whether_the_first_is_worked_off_or_waits(
    learn, learning_service, annotated
):
    for center_x in CENTERS:
        annotated.annotate(center_x)
    learn()
    _, said, _ = learn()
    assert said == (
        "Nothing of 'Fields' (project 12) is queued.\nLeft out: 6 in the queue already.\n"
    )
    assert work_off(learning_service) == 6
    _, said, _ = learn()
    assert said.endswith("Left out: 6 learned already.\n")
    annotated.annotate(40)
    _, said, _ = learn()
    assert said.startswith("1 annotations of")
    assert work_off(learning_service) == 1


def test_after_a_change_of_method_all_are_learned_again(learn, learning_service, annotated):
    for center_x in CENTERS[:2]:
        annotated.annotate(center_x)
    learn()
    work_off(learning_service)
    learning_service.projects.save(KEY, ProjectSettings(method="clip"))
    assert learn()[1].startswith("2 annotations of")
    assert work_off(learning_service) == 2
    spaces = learning_service.lessons.head(KEY).present.spaces
    assert list(spaces) == [
        learning_service.resolve_context(KEY, ProjectSettings(method="clip")).space
    ]


def test_a_run_that_was_stopped_before_its_version_is_ended_by_the_next_one(
    learn, learning_service, annotated
):
    for center_x in CENTERS[:3]:
        annotated.annotate(center_x)
    learn()
    *_, last = learning_service.events.take(10)
    assert last.event["action"] == "START_TRAINING"
    learning_service.events.acknowledge([last.id])
    assert "3 in the queue already" in learn()[1]
    learning_service.events = EventQueue(
        learning_service.store, learning_service.settings.data_dir, QueueConfig(claim_after_s=0.0)
    )
    work_off(learning_service)
    (version,) = learning_service.lessons.index(KEY).versions
    assert len(version.annotations) == 3


def test_no_agreement_counts_what_was_annotated_before(learn, learning_service, annotated):
    annotated.annotate(20, parent_prediction=7)
    learning_service.annotator.predict(annotated.export.tasks, CONFIG, EVERY_PIXEL, project_id=KEY)
    learn()
    assert work_off(learning_service) == 1
    assert learning_service.lessons.head(KEY).agreement == []


def test_what_is_left_out_or_counts_weakly_is_said(learn, learning_service, annotated):
    annotated.annotate(20, was_cancelled=True)
    annotated.annotate(24, parent_prediction=7, lead_time=None)
    annotated.annotate(28, updated_at="yesterday")
    _, said, _ = learn()
    assert "1 annotations of 'Fields'" in said
    assert "1 of them were made of predictions in bulk, and count weakly." in said
    assert "Left out: 1 skipped by who annotated." in said
    assert 'Cannot be read: task 3: Annotation 3 needs "updated_at", a time.' in said
    assert "`python -m backend memory show` says how many wait" in said


def test_show_says_how_many_wait(learn, learning_service, annotated, run):
    annotated.annotate(20)
    learn()
    assert "2 events wait in the queue of corrections" in run("memory", "show")[1]
    work_off(learning_service)
    said = run("memory", "show")[1]
    assert KEY in said
    assert "wait in the queue" not in said


def test_of_more_than_a_project_keeps_the_newest_are_taken(learn, learning_service, annotated):
    export = annotated.export
    annotated.annotate(20)
    (task,) = export.tasks
    for number in range(1, 502):
        day = f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z"
        one = annotation_of({}, number) | {"updated_at": day, "lead_time": 1.0}
        export.tasks.append(task | {"id": number, "annotations": [one]})
    del export.tasks[0]
    _, said, _ = learn()
    assert said.startswith("500 annotations of")
    assert "Left out: 1 older than the newest that a project keeps." in said
    assert "A project keeps lessons of 500 annotations, 80 MB at most" in said
    ids = [queued.event["annotation"]["id"] for queued in learning_service.events.take(500)]
    assert ids == list(range(501, 1, -1))


def test_notes_say_what_keeps_lessons_from_being_learned_or_used(
    learn, learning_service, annotated
):
    annotated.annotate(20)
    version = learning_service.annotator.version(EVERY_PIXEL, KEY, CONFIG)
    annotated.models = [{"state": "CO", "model_version": version}]
    assert "note:" not in learn()[2]
    annotated.models = [{"state": "CO", "model_version": "another"}]
    assert f"is at version another, this command would make {version}: start it" in learn()[2]
    annotated.models = [{"state": "DI", "model_version": version}]
    assert "what is queued waits for `serve`" in learn()[2]
    learning_service.projects.save(KEY, ProjectSettings(memory_version="none"))
    assert "extra params say memory_version none" in learn()[2]


def test_a_project_of_the_plugin_is_learned_under_its_number(learn, learning_service, annotated):
    learning_service.store.run("forget", lambda client: client.flushall())
    learning_service.projects.save("12", EVERY_PIXEL)
    annotated.annotate(20)
    assert learn()[0] == 0
    assert work_off(learning_service) == 1
    assert learning_service.lessons.projects() == ["12"]


def test_events_are_as_label_studio_would_have_sent_them(learn, learning_service, annotated):
    annotated.annotate(20)
    learn()
    annotation, training = (queued.event for queued in learning_service.events.take(9))
    assert annotation["action"] == "ANNOTATION_UPDATED"
    sent = json.loads(json.dumps(annotated.export.tasks[0]["annotations"][0]))
    assert annotation["annotation"].items() <= sent.items()
    assert training["project"] == annotation["project"]

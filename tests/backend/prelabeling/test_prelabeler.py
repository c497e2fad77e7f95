"""Every task that lacks a prediction gets one, once, whatever happens in between."""

import json
from collections import Counter
from dataclasses import replace

import orjson
import pytest

from backend.memory.predicted_masks import MaskPlace
from backend.prelabeling.engines import Job, ThreadEngine
from backend.prelabeling.prelabeler import Target
from tests.backend.prelabeling.conftest import SETTINGS
from tests.support.fake_label_studio import LEGACY, Reply, as_json
from tests.support.fake_project import KEY
from tests.support.image_files import PNG_REPLY
from tests.support.label_configs import CAT_DOG_CONFIG


def test_every_task_gets_the_prediction_that_predict_gives(project, prelabeler, version, annotator):
    outcome = prelabeler().run()
    assert (outcome.end, outcome.made, outcome.n_made) == ("done", 30, {version: 30})
    assert project.all_versions() == {task_id: [version] for task_id in project.tasks}
    answered = annotator.predict(
        list(project.tasks.values()), CAT_DOG_CONFIG, SETTINGS, project_id=KEY
    )
    expected = json.loads(orjson.dumps(answered, option=orjson.OPT_SERIALIZE_NUMPY))
    stored = sorted(project.predictions, key=lambda one: one["task"])
    for one, item in zip(stored, expected, strict=True):
        assert one == {"task": one["task"], "project": 12, **item}
        assert item["result"]


def test_what_was_shown_is_kept_for_corrections(project, prelabeler, service):
    engine = ThreadEngine(replace(service.annotator, parallel_tasks=1), 2)
    prelabeler(engine=engine, limit=1).run()
    place = MaskPlace("tag", "image", 0)
    shown = service.predicted_masks.load(KEY, 1, place, (32, 40))
    (stored,) = project.predictions
    assert set(shown.regions) == {region["id"] for region in stored["result"]}
    assert shown.shown_by.model_version == stored["model_version"]


def test_tasks_with_this_version_are_left_alone_and_those_of_others_are_not(
    project, prelabeler, version
):
    for task_id, name in ((1, version), (2, "of another model"), (3, version)):
        project.predictions.append({"task": task_id, "model_version": name, "result": []})
    outcome = prelabeler().run()
    assert outcome.made == 28
    assert project.versions(1) == [version]
    assert project.versions(2) == ["of another model", version]


def test_a_limit_counts_tasks_in_the_chosen_order(project, prelabeler, tasks):
    project.tasks[30]["total_annotations"] = 1
    chosen = replace(tasks, order="newest", only_unlabeled=True)
    run = prelabeler(tasks=chosen, limit=4)
    assert run.run().made == 4
    assert {one["task"] for one in project.predictions} == {26, 27, 28, 29}
    assert (run.progress.expected, run.progress.done) == (4, 4)


def test_a_failed_task_costs_no_other_and_is_told_with_its_reason(project, prelabeler, images):
    project.tasks[2]["data"]["image"] = "data:image/png;base64,AAAA"
    project.tasks[9]["data"] = {}
    outcome = prelabeler().run()
    assert (outcome.end, outcome.made) == ("failed", 28)
    assert {task: one.code for task, one in outcome.failures.items()} == {
        2: "image_broken", 9: "request"
    }  # fmt: skip
    assert "1 failed, task 2: " in outcome.as_text()
    project.tasks[2]["data"]["image"] = images[0]
    assert prelabeler().run().made == 1


def test_what_an_outage_of_label_studio_has_failed_is_tried_again(
    project, server, prelabeler, make_service
):
    asked: Counter[str] = Counter()

    def image(request) -> Reply:
        asked[request.path] += 1
        return PNG_REPLY if asked[request.path] > 1 else Reply(status=503)

    for task_id, task in project.tasks.items():
        task["data"]["image"] = f"/data/upload/{task_id}.png"
        server.pages[f"/data/upload/{task_id}.png"] = image
    loads_there = make_service(label_studio_url=server.url, label_studio_api_key=LEGACY).annotator
    outcome = prelabeler(engine=ThreadEngine(loads_there, 3)).run()
    assert (outcome.end, outcome.made) == ("done", 30)


def test_a_restart_of_label_studio_is_waited_for(project, prelabeler, said):
    project.outages = 3
    assert prelabeler().run().end == "done"
    assert len(said) == 2
    assert "Waiting for it" in said[0]
    assert said[1] == "Label Studio answers again."


def test_a_prediction_whose_answer_was_lost_is_not_stored_twice(project, prelabeler, version):
    project.broken_answers = 5
    outcome = prelabeler().run()
    assert outcome.end == "done"
    assert project.all_versions() == {task_id: [version] for task_id in project.tasks}
    assert (outcome.made, outcome.n_there) == (25, 5)


def test_what_others_predicted_or_deleted_meanwhile_is_left_alone(project, prelabeler, version):
    def meanwhile(engine):
        def run(jobs):
            for job, item in engine(jobs):
                if job.task["id"] == 5:
                    project.predictions.append({"task": 5, "model_version": version})
                if job.task["id"] == 6:
                    del project.tasks[6]
                yield job, item

        return run

    run = prelabeler()
    run.engine = meanwhile(run.engine)
    outcome = run.run()
    assert (outcome.end, outcome.made, outcome.n_there) == ("done", 28, 2)
    assert project.versions(5) == [version]


def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(project, prelabeler, version):
    def interrupted(engine):
        def run(jobs):
            for n, answer in enumerate(engine(jobs)):
                if n == 13:
                    raise KeyboardInterrupt
                yield answer

        return run

    run = prelabeler()
    run.engine = interrupted(run.engine)
    outcome = run.run()
    assert (outcome.end, outcome.made) == ("interrupted", 13)
    assert "The same command goes on from here." in outcome.as_text()
    assert prelabeler().run().made == 17
    assert project.all_versions() == {task_id: [version] for task_id in project.tasks}


def test_a_run_whose_lock_was_taken_stores_nothing_more(project, prelabeler):
    outcome = prelabeler(is_lock_lost=lambda: True).run()
    assert (outcome.end, project.predictions) == ("stopped", [])
    assert "taken this project over" in outcome.why


@pytest.mark.parametrize(("status", "why"), [(401, "refuses the"), (403, "may see this")])
def test_a_refused_token_stops_the_run_at_once(project, server, prelabeler, status, why):
    listed = server.pages["/api/tasks"]
    server.pages["/api/tasks"] = lambda asked: (
        as_json({"detail": "no"}, status) if project.predictions else listed(asked)
    )
    outcome = prelabeler().run()
    assert outcome.end == "stopped"
    assert why in outcome.why


def test_a_prediction_that_label_studio_refuses_is_told_and_costs_no_other(project, prelabeler):
    store = project.server.pages["/api/predictions/"]

    def refuse(asked) -> Reply:
        task_id = json.loads(asked.body)["task"]
        refusal = as_json({"validation_errors": ["no such label"]}, 400)
        return {4: refusal, 7: as_json({}, 500)}.get(task_id) or store(asked)

    project.server.pages["/api/predictions/"] = refuse
    outcome = prelabeler().run()
    assert (outcome.end, outcome.made) == ("failed", 28)
    assert "no such label" in outcome.failures[4].message
    assert "with 500" in outcome.failures[7].message


def test_each_page_is_predicted_with_what_is_known_then(project, prelabeler, tasks, annotator):
    """Lessons make a new version while the run goes on, as soon as three tasks are listed."""
    listed: list[str] = []

    def target() -> Target:
        settings = SETTINGS.model_copy(update={"background": ("sea",) if listed else ()})
        listed.append(annotator.version(settings, KEY, CAT_DOG_CONFIG))
        return Target(listed[-1], lambda task: Job(task, KEY, CAT_DOG_CONFIG, settings, None))

    outcome = prelabeler(tasks=Paged(tasks, 3), current_target=target).run()
    old, new = listed[:2]
    assert outcome.n_made == {old: 3, new: 27}
    assert "run again to have the newest for all" in outcome.as_text()


class Paged:
    """Open tasks in smaller pages."""

    def __init__(self, tasks, size: int) -> None:
        self.tasks, self.size = tasks, size

    def __getattr__(self, name):
        return getattr(self.tasks, name)

    def page_after(self, task_id, version):
        page = self.tasks.page_after(task_id, version)
        return replace(page, tasks=page.tasks[: self.size])

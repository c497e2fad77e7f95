"""Tasks of several images of which one failed: stored in part, and completed by a later run."""

import pytest

from backend.prelabeling.engines import Job
from backend.prelabeling.prelabeler import Target
from tests.backend.prelabeling.conftest import SETTINGS
from tests.support.fake_project import KEY
from tests.support.label_configs import brush_labels, config

TWO_IMAGES = config(
    '<Image name="a" value="$image"/><Image name="b" value="$other"/>',
    brush_labels(to_name="a,b"),
)
BROKEN = "data:image/png;base64,AAAA"


@pytest.fixture
def run(project, prelabeler, annotator, images):
    version = annotator.version(SETTINGS, KEY, TWO_IMAGES)
    project.tasks = {
        n: {"id": n, "data": {"image": images[n], "other": images[n + 5]}, "total_annotations": 0}
        for n in range(1, 9)
    }

    def run():
        target = Target(version, lambda task: Job(task, KEY, TWO_IMAGES, SETTINGS, None))
        return prelabeler(current_target=lambda: target).run()

    run.version = version
    return run


def test_a_part_is_stored_under_a_version_of_its_own_and_told(project, run):
    project.tasks[3]["data"]["other"] = BROKEN
    outcome = run()
    assert outcome.end == "failed"
    assert outcome.n_made == {run.version: 7, f"partial-{run.version}": 1}
    assert outcome.failures[3].is_partial
    assert "1 answered in part, task 3: Answered in part." in outcome.as_text()


def test_a_part_is_stored_once_while_nothing_has_changed(project, run):
    project.tasks[3]["data"]["other"] = BROKEN
    run()
    assert run().made == 0
    assert project.versions(3) == [f"partial-{run.version}"]


def test_a_part_is_completed_once_its_image_is_there(project, run, images):
    project.tasks[3]["data"]["other"] = BROKEN
    run()
    project.tasks[3]["data"]["other"] = images[0]
    assert run().made == 1
    assert run().made == 0
    assert project.versions(3) == [f"partial-{run.version}", run.version]

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
def two_images_version(annotator) -> str:
    return annotator.version(SETTINGS, KEY, TWO_IMAGES)


@pytest.fixture
def run(project, prelabeler, two_images_version, images):
    project.tasks = {
        n: {"id": n, "data": {"image": images[n], "other": images[n + 5]}, "total_annotations": 0}
        for n in range(1, 9)
    }

    def run():
        target = Target(two_images_version, lambda task: Job(task, KEY, TWO_IMAGES, SETTINGS, None))
        return prelabeler(current_target=lambda: target).run()

    return run


def test_a_part_is_stored_under_a_version_of_its_own_and_told(project, run, two_images_version):
    project.tasks[3]["data"]["other"] = BROKEN
    outcome = run()
    assert outcome.end == "failed"
    assert outcome.n_made == {two_images_version: 7, f"partial-{two_images_version}": 1}
    assert outcome.failures[3].is_partial
    assert "1 answered in part, task 3: Answered in part." in outcome.as_text()


def test_a_part_is_stored_once_while_nothing_has_changed(project, run, two_images_version):
    project.tasks[3]["data"]["other"] = BROKEN
    run()
    assert run().made == 0
    assert project.versions(3) == [f"partial-{two_images_version}"]


def test_a_part_is_completed_once_its_image_is_there(project, run, images, two_images_version):
    project.tasks[3]["data"]["other"] = BROKEN
    run()
    project.tasks[3]["data"]["other"] = images[0]
    assert run().made == 1
    assert run().made == 0
    assert project.versions(3) == [f"partial-{two_images_version}", two_images_version]

"""The doctor's check of labels: are they words that CLIP understands?"""

from collections.abc import Iterator, Sequence

from backend.checks.connection_checks import Connection
from backend.checks.installation import Check, Installation
from backend.errors import FirstpassError
from backend.label_studio.project_settings import ProjectSettings
from backend.prediction.label_vocabulary import foreign_labels_warning


def check_labels(installation: Installation, connections: Sequence[Connection]) -> Iterator[Check]:
    """A line for each connected project with labels that are not in English; none for others."""
    studio = installation.label_studio
    for project in dict.fromkeys(one.project for one in connections):
        try:
            label_config = studio.get_json(f"/api/projects/{project}/").get("label_config")
            rows = studio.get_json("/api/ml/", {"project": project})
            settings, _ = ProjectSettings.from_extra_params(rows[0].get("extra_params"))
        except (FirstpassError, LookupError, TypeError, AttributeError):
            continue  # the other checks say what is wrong
        if warning := foreign_labels_warning(label_config, settings):
            found, remedy = warning.split(". ", 1)
            yield Check("labels", None, f"project {project}: {found}", remedy)

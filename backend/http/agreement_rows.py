"""For /ready: how far annotations agreed with what was shown, by project and version."""

from typing import Any

from backend.http.degradations import projects_with_lessons
from backend.service import Service

MAX_PROJECTS = 20  # those with the newest annotations


def agreement_rows(service: Service) -> list[dict[str, Any]]:
    """A row for each version that was shown, newest first; empty while the store is down."""
    if service.active_versions is None:
        return []
    found = {
        project: service.active_versions.summary(project).agreement
        for project in projects_with_lessons(service)
    }
    compared = [project for project in found if found[project]]
    compared.sort(key=lambda project: found[project][0].newest_us, reverse=True)
    return [
        {"project": project, **version.as_json()}
        for project in compared[:MAX_PROJECTS]
        for version in found[project]
    ]

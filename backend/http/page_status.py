"""What the page shows of the service: /ready, the address to connect, and the projects."""

from contextlib import suppress
from typing import Any
from urllib.parse import quote

from backend.errors import StoreError
from backend.http.readiness import readiness
from backend.listen_address import local_url
from backend.memory.project_summary import ProjectSummary
from backend.service import Service

MAX_PROJECTS = 50


def page_status(service: Service) -> dict[str, Any]:
    settings = service.settings
    return {
        "ready": readiness(service),
        "connect": {
            "url": local_url(settings.host, settings.port),
            "port": settings.port,
            "is_local": settings.host in ("127.0.0.1", "localhost", "::1"),
            "label_studio": service.label_studio.shown_url,
            "has_password": bool(settings.basic_auth_user),
        },
        "learning": {"is_on": service.is_learning, "learn_every": settings.learn_every},
        "projects": project_rows(service),
    }


def project_rows(service: Service) -> list[dict[str, Any]]:
    """A row for each project that was set up or has taught, those of highest number first."""
    names = set(service.projects.set_up_here())
    with suppress(StoreError):  # /ready says that the store is down
        names |= {*service.projects.names(), *service.lessons.projects()}
    ordered = sorted((name for name in names if name), key=number_of, reverse=True)
    return [project_row(service, name) for name in ordered[:MAX_PROJECTS]]


def project_row(service: Service, name: str) -> dict[str, Any]:
    versions = service.active_versions
    summary = ProjectSummary() if versions is None else versions.summary(name)
    row = {
        "project": name,
        "number": number_of(name),
        "url": f"{service.label_studio.shown_url}/projects/{quote(name.partition('.')[0])}",
        "annotations": summary.annotations,
        "changes": summary.changes,
        "versions": [version for version, _ in summary.versions],
        "model_version": None,
    }
    if service.is_model_loaded:
        context = service.resolve_context(name, service.projects.settings_of(name))
        lessons = ""
        if versions is not None:
            pinned = context.settings.memory_version
            lessons = versions.active_name(name, pinned, context.space)
        row["model_version"] = context.model_version(
            lessons, service.projects.config_digest_of(name)
        )
    return row


def number_of(project: str) -> int:
    """Label Studio's number in "3.1795366020"; 0 for a name of another kind."""
    number = project.partition(".")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 16 else 0

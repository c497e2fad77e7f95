"""The name under which a project's lessons are stored, for the number that people see.

Label Studio's requests name a project "57.1795366020", by its id and the second of its creation,
while its pages show 57 alone.
"""

from collections.abc import Iterable
from typing import Any

from backend.errors import LabelStudioError, SettingsError
from backend.label_studio.answers import NotFound
from backend.label_studio.webhook_events import project_key
from backend.service import Service


def find_project(service: Service, name: str) -> str | None:
    """The full name of a project that has learned or was set up here; None if none has this id.

    `name`: its id, or its full name, which is taken as it is. Raises SettingsError if several have
    this id and Label Studio does not tell which of them it has, StoreError while the store is down.
    """
    if is_full_name(name):
        return name
    found = matching(name, {*service.lessons.projects(), *service.projects.names()})
    if len(found) < 2:
        return next(iter(found), None)
    try:
        current = ask_label_studio(service, name)
    except LabelStudioError:
        current = None
    if current not in found:
        raise SettingsError(f"Project {name} may be {' or '.join(found)}: name one of them.")
    return current


def require_project(service: Service, name: str) -> str:
    """As `find_project`, but Label Studio is asked for a project that is not known here.

    Raises SettingsError for a project that neither knows.
    """
    found = find_project(service, name)
    if found is not None and (is_full_name(found) or found in service.projects.names()):
        return found
    if not name.isdecimal():
        raise SettingsError(f"{name!r} is no project: give its number, as in Label Studio's URLs.")
    try:
        return ask_label_studio(service, name)
    except NotFound as error:
        raise SettingsError(
            f"Label Studio at {service.label_studio.shown_url} has no project {name}, or its "
            "token may not see it."
        ) from error
    except LabelStudioError as error:
        raise SettingsError(
            f"Project {name} is not known here, and Label Studio cannot be asked for it: {error} "
            "Or connect the model to the project first (Settings > Model), which makes it known."
        ) from error


def ask_label_studio(service: Service, number: str) -> str:
    """The full name of the project with this id. Raises LabelStudioError."""
    project: Any = service.label_studio.get_json(f"/api/projects/{number}/")
    if not isinstance(project, dict) or not is_full_name(name := project_key({"id": 0} | project)):
        raise LabelStudioError(f"Label Studio describes project {number} without its creation.")
    return name


def matching(number: str, names: Iterable[str]) -> list[str]:
    """Names of the projects with this id, sorted.

    The id alone is a name of the plugin for label-studio-ml; it gives way to full names.
    """
    found = sorted(name for name in names if name.split(".")[0] == number)
    return [name for name in found if is_full_name(name)] or found


def is_full_name(name: str) -> bool:
    number, dot, second = name.partition(".")
    return bool(dot) and number.isdecimal() and second.isdecimal()

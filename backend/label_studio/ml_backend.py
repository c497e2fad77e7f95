"""A project's ML backend as Label Studio keeps it, with its extra params."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from backend.errors import LabelStudioError, SettingsError
from backend.label_studio.client import LabelStudio
from backend.label_studio.project_settings import ProjectSettings, parse_params
from backend.redaction import redact_url

# What Label Studio needs again to check a changed backend, or it answers 500.
CHECKED_FIELDS = ("url", "project", "auth_method", "basic_auth_user")


@dataclass(frozen=True)
class MlBackend:
    row: Mapping[str, Any]  # as Label Studio describes it

    @property
    def id(self) -> int:
        return int(self.row["id"])

    @property
    def extra_params(self) -> dict[str, Any]:
        """Also those that are not ours. Raises SettingsError."""
        return parse_params(self.row.get("extra_params"))


def find_ml_backend(studio: LabelStudio, project: int, port: int) -> MlBackend | None:
    """The project's only ML backend, or of several the one at our port; None if it has none.

    Raises SettingsError if it cannot be told which one is ours, and LabelStudioError.
    """
    rows = studio.get_json("/api/ml/", {"project": project})
    try:
        ours = rows if len(rows) < 2 else [row for row in rows if urlsplit(row["url"]).port == port]
        if len(ours) == 1:
            return MlBackend(ours[0] | {"id": int(ours[0]["id"])})
        urls = ", ".join(redact_url(row["url"]) for row in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise LabelStudioError(
            f"Label Studio lists the models of project {project} in no known form "
            f"({type(error).__name__}: {error})."
        ) from error
    if not rows:
        return None
    raise SettingsError(
        f"Project {project} has {len(rows)} models ({urls}), and {len(ours)} of them at port "
        f"{port}: set PORT to that of this backend."
    )


def set_extra_params(studio: LabelStudio, backend: MlBackend, params: Mapping[str, Any]) -> None:
    """Have Label Studio keep these, as an object or text as before, and set the backend up anew.

    Raises LabelStudioError, also if the backend refuses them or is not running.
    """
    is_text = isinstance(backend.row.get("extra_params"), str)
    body = {name: backend.row[name] for name in CHECKED_FIELDS if backend.row.get(name)}
    if body.get("auth_method") == "BASIC_AUTH":
        body["basic_auth_pass"] = ""  # it is never told, and stays as it is
    body["extra_params"] = json.dumps(params) if is_text else dict(params)
    studio.patch(f"/api/ml/{backend.id}", body)


def changed_params(
    params: Mapping[str, Any], before: ProjectSettings, after: ProjectSettings
) -> dict[str, Any]:
    """The extra params with what differs between the settings changed, and all else kept."""
    changed, default = dict(params), ProjectSettings().model_dump(mode="json")
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    for name, value in new.items():
        if value == old[name]:
            continue
        if value == default[name]:
            changed.pop(name, None)
        else:
            changed[name] = value
    return changed

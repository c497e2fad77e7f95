"""Checks the projects that use this backend: connected, and sending events?"""

import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from backend.checks.installation import Check, Installation
from backend.images.ssrf import is_public
from backend.label_studio.client import LabelStudio
from backend.label_studio.webhook_secret import HEADER
from backend.redaction import redact_url, redact_urls

MAX_PROJECTS = 20  # looked at; enough to find those that are connected
MAX_NAMED = 10  # projects in one line
GUARDED_SINCE_VERSION = (1, 23, 1)  # from here on Label Studio refuses private addresses
ANNOTATION_EVENTS = {"ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"}

GUARD_REMEDY = (
    "start Label Studio with ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false, or with "
    "USE_DEFAULT_BANNED_SUBNETS=false"
)
# What Label Studio keeps of a refused /setup: the text of requests' HTTPError.
HTTP_ERROR = re.compile(r"\d{3} (?:Client|Server) Error: (.*) for url: ", re.DOTALL)


@dataclass(frozen=True)
class Connection:
    """A project's ML backend, if it is this one."""

    project: int
    url: str  # for messages, without a login
    state: str  # "CO" for connected
    problem: str  # "" for none
    remedy: str = ""


@dataclass(frozen=True)
class Connections:
    found: Sequence[Connection]
    n_projects: int  # of Label Studio, of which MAX_PROJECTS were looked at


def find_connections(
    studio: LabelStudio, port: int, project: str | None = None, secret: str | None = None
) -> Connections:
    """The ML backends whose URL has this port, of the first projects or of one.

    `secret`: what their webhooks need, if anything. Raises LabelStudioError; LookupError, TypeError
    or AttributeError for answers of another API.
    """
    rows, n_projects = backends_at(studio, port, project)
    webhooks = studio.get_json("/api/webhooks/") if rows else []
    return Connections(tuple(connection_of(row, webhooks, secret) for row in rows), n_projects)


def backends_at(
    studio: LabelStudio, port: int, project: str | None
) -> tuple[list[Mapping[str, Any]], int]:
    """The rows of the ML backends with this port, and the number of projects. Raises as above."""
    if project is not None:
        numbers, n_projects = [studio.get_json(f"/api/projects/{project}/")["id"]], 1
    else:
        query = {"include": "id", "page_size": MAX_PROJECTS}
        answer = studio.get_json("/api/projects/", query)
        numbers = [row["id"] for row in answer["results"]]
        n_projects = answer.get("count", len(numbers))
    rows = [row for number in numbers for row in studio.get_json("/api/ml/", {"project": number})]
    return [row for row in rows if port_of(row["url"]) == port], n_projects


def port_of(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:  # such as a port of 99999
        return None


def webhooks_of(
    backend: Mapping[str, Any], webhooks: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The webhooks to a backend, of its project; one without a project is of all projects."""
    return [
        row
        for row in webhooks
        if row["url"] == f"{backend['url'].rstrip('/')}/webhook"
        and row.get("project") in (backend["project"], None)
    ]


def connection_of(
    backend: Mapping[str, Any], webhooks: Sequence[Mapping[str, Any]], secret: str | None = None
) -> Connection:
    """A backend with its first problem."""
    project, url, state = backend["project"], redact_url(backend["url"]), backend["state"]
    if state == "ER":  # Label Studio's list of models shows no more than this word
        return Connection(project, url, state, backend["readable_state"], refusal_of(backend))
    if state != "CO":
        remedy = f"start this backend, and check that Label Studio reaches {url}"
        return Connection(project, url, state, backend["readable_state"], remedy)
    ours = webhooks_of(backend, webhooks)
    if not ours:
        # With half of its SSRF guard off, Label Studio saves the backend but no webhook.
        remedy = f"{GUARD_REMEDY}, then remove the model from the project and connect it again"
        return Connection(project, url, state, "no webhook, so no corrections", remedy)
    sending = [row for row in ours if sends_annotations(row)]
    if not sending:
        remedy = "in the project's Settings > Webhooks activate it, with payload and all events"
        return Connection(project, url, state, "a webhook that sends no annotations", remedy)
    if secret and not any((row.get("headers") or {}).get(HEADER) == secret for row in sending):
        remedy = "run `python -m backend connect`, which gives it the secret"
        return Connection(project, url, state, "a webhook without our secret", remedy)
    return Connection(project, url, state, "")


def refusal_of(backend: Mapping[str, Any]) -> str:
    """Why this backend refused the config or the extra params of its last /setup, with the cure."""
    text = redact_urls(str(backend.get("error_message") or "no reason"))
    if reason := HTTP_ERROR.match(text):
        return reason[1].strip().removesuffix(".")
    return f"Label Studio's /setup of it failed ({text}): the log of this backend may say why"


def sends_annotations(webhook: Mapping[str, Any]) -> bool:
    sends_all = webhook.get("send_for_all_actions", True)
    sends_ours = sends_all or set(webhook.get("actions") or ()) >= ANNOTATION_EVENTS
    return bool(webhook.get("is_active", True) and webhook.get("send_payload", True) and sends_ours)


def check_connections(
    installation: Installation, release: str, connections: Connections
) -> Iterator[Check]:
    """One line for all projects, or with `--project` one for each connection of that project."""
    if not connections.found:
        yield no_connection(installation, release, connections)
    elif installation.project is not None:
        for one in connections.found:
            found = (
                f"{one.url} in project {one.project}: {one.problem or 'connected, with webhook'}"
            )
            yield Check("connection", not one.problem, found, one.remedy)
    else:
        yield summary(connections)


def summary(connections: Connections) -> Check:
    wrong = [one for one in connections.found if one.problem]
    right = [one for one in connections.found if not one.problem]
    parts = [f"{named(right)} connected, with webhook"] if right else []
    for problem in dict.fromkeys(one.problem for one in wrong):
        parts.append(f"{named([one for one in wrong if one.problem == problem])}: {problem}")
    found = "; ".join(parts) + unseen(connections)
    remedies = dict.fromkeys(one.remedy for one in wrong)
    if not wrong:
        return Check("connection", True, found)
    details = f"; `doctor --project {wrong[0].project}` looks at one alone"
    return Check("connection", False, found, "; ".join(remedies) + details)


def named(connections: Sequence[Connection]) -> str:
    """ "projects 3, 57" """
    numbers = list(dict.fromkeys(str(one.project) for one in connections))
    more = f" and {len(numbers) - MAX_NAMED} more" if len(numbers) > MAX_NAMED else ""
    return f"project{'s' if len(numbers) > 1 else ''} {', '.join(numbers[:MAX_NAMED])}{more}"


def unseen(connections: Connections) -> str:
    if connections.n_projects <= MAX_PROJECTS:
        return ""
    return (
        f" ({MAX_PROJECTS} of {connections.n_projects} projects looked at; --project N for others)"
    )


def no_connection(installation: Installation, release: str, connections: Connections) -> Check:
    one = installation.project
    who = "no project uses" if one is None else f"project {one} does not use"
    found = f"{who} this backend yet, as far as can be seen{unseen(connections)}"
    remedy = (
        f"paste our address, with port {installation.port}, under Settings > Model > Connect Model"
    )
    is_guarded = parse_release(release) >= GUARDED_SINCE_VERSION
    if is_guarded and not is_public_host(installation.host):
        remedy += f'; if that is refused ("reserved network address"), {GUARD_REMEDY}'
    return Check("connection", None, found, remedy)


def parse_release(release: str) -> tuple[int, ...]:
    """`"1.23.2.post1"` -> (1, 23, 2)."""
    return tuple(int(part) for part in release.split(".")[:3] if part.isdigit())


def is_public_host(host: str) -> bool:
    try:
        return is_public(socket.gethostbyname(host))
    except OSError:
        return False

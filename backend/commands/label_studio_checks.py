"""The doctor's checks of Label Studio: its address, the token, the connection, the network.

They change nothing in Label Studio. Listing the backends of a project makes Label Studio request
their /health.
"""

import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from backend.commands.installation import Check, Installation
from backend.errors import LabelStudioError
from backend.images.ssrf import is_public
from backend.label_studio.client import LabelStudio
from backend.label_studio.tokens import TOKEN_KINDS
from backend.redaction import redact_url

MAX_PROJECTS = 20  # listed; enough to find one that is connected
GUARDED_SINCE_VERSION = (1, 23, 1)  # from here on Label Studio refuses private addresses

GUARD_REMEDY = (
    "start Label Studio with ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false, or with "
    "USE_DEFAULT_BANNED_SUBNETS=false"
)
CONTAINER_REMEDY = (
    "inside a container, localhost is the container itself: set LABEL_STUDIO_URL to "
    "http://host.docker.internal:8080, or to the name of Label Studio's own container"
)


def check_label_studio(installation: Installation) -> Iterator[Check]:
    """Address, token, connection and network, each only if the check before it succeeded."""
    studio = installation.label_studio
    try:
        release = str(studio.get_json("/api/version")["release"])
        yield Check("Label Studio", True, f"{release} at {studio.shown_url}")
    except (LabelStudioError, LookupError, TypeError) as error:
        is_own_container = installation.is_container and is_on_this_machine(studio)
        remedy = CONTAINER_REMEDY if is_own_container else str(error)
        yield Check("Label Studio", False, f"none at {studio.shown_url}", remedy)
        yield from check_networking(installation, is_answered=False, is_connected=False)
        return

    backends: list[Mapping[str, Any]] = []
    webhook_urls: set[str] = set()
    try:
        user = studio.get_json("/api/current-user/whoami")
        yield Check("token", True, f"{TOKEN_KINDS[studio.key_kind]} of {user['email']}")
        backends = connected_backends(studio, installation.port)
        webhook_urls = {row["url"] for row in studio.get_json("/api/webhooks/")}
    except LabelStudioError as error:
        # Without a token images on the web still work, but no uploaded ones.
        ok = None if studio.key_kind == "none" else False
        yield Check("token", ok, TOKEN_KINDS[studio.key_kind], str(error))
    except (LookupError, TypeError) as error:
        found = f"answers unlike those of Label Studio 1.23 ({type(error).__name__}: {error})"
        yield Check("Label Studio API", False, found, "update Label Studio")
    yield from check_connection(installation, release, backends, webhook_urls)
    is_connected = any(row["state"] == "CO" for row in backends)
    yield from check_networking(installation, is_answered=True, is_connected=is_connected)


def check_connection(
    installation: Installation,
    release: str,
    backends: list[Mapping[str, Any]],
    webhook_urls: set[str],
) -> Iterator[Check]:
    """Whether a project uses this backend, and whether its webhook exists.

    With half of its SSRF guard disabled, Label Studio saves the backend but no webhook: predictions
    work, and corrections never arrive.
    """
    if not backends:
        found = "no project uses this backend yet, as far as can be seen"
        remedy = (
            f"paste our address, with port {installation.port}, under Settings > Model > Connect "
            "Model"
        )
        is_guarded = parse_release(release) >= GUARDED_SINCE_VERSION
        if is_guarded and not is_public_host(installation.host):
            remedy += f"; if that is refused (403), {GUARD_REMEDY}"
        yield Check("connection", None, found, remedy)
        return
    for row in backends:
        url = redact_url(row["url"])
        found = f"{url} in project {row['project']}"
        if row["state"] != "CO":
            remedy = f"start this backend, and check that Label Studio reaches {url}"
            yield Check("connection", False, f"{found}: {row['readable_state']}", remedy)
        elif f"{row['url'].rstrip('/')}/webhook" not in webhook_urls:
            remedy = f"{GUARD_REMEDY}, then remove the model from the project and connect it again"
            yield Check("connection", False, f"{found}: no webhook, so no corrections", remedy)
        else:
            yield Check("connection", True, found)


def check_networking(
    installation: Installation, *, is_answered: bool, is_connected: bool
) -> Iterator[Check]:
    """Whether Label Studio can reach this backend, as far as the addresses tell.

    `is_answered`: we reach Label Studio. `is_connected`: it reports a working connection to us.
    """
    found = f"we listen on {installation.host}:{installation.port}"
    is_beside = is_on_this_machine(installation.label_studio)
    is_in_one_container = installation.is_container and is_beside and is_answered
    if is_connected:
        yield Check("networking", True, f"{found}, and Label Studio reaches us")
    elif not is_loopback(installation.host) or is_in_one_container:
        yield Check("networking", True, found)
    elif is_beside and not installation.is_container:
        remedy = (
            "if Label Studio runs in Docker, set HOST=0.0.0.0 and connect "
            f"http://host.docker.internal:{installation.port}"
        )
        yield Check("networking", None, f"{found}, which only this machine sees", remedy)
    else:
        remedy = (
            "set HOST=0.0.0.0 and connect the address under which Label Studio sees this machine"
        )
        yield Check("networking", False, f"{found}, which only this machine sees", remedy)


def connected_backends(studio: LabelStudio, port: int) -> list[Mapping[str, Any]]:
    """Rows of the ML backends in Label Studio's first projects whose URL has this port."""
    query = {"include": "id", "page_size": MAX_PROJECTS}
    projects = studio.get_json("/api/projects/", query)["results"]
    rows = [
        row
        for project in projects
        for row in studio.get_json("/api/ml/", {"project": project["id"]})
    ]
    return [row for row in rows if urlsplit(row["url"]).port == port]


def parse_release(release: str) -> tuple[int, ...]:
    """`"1.23.2.post1"` -> (1, 23, 2)."""
    return tuple(int(part) for part in release.split(".")[:3] if part.isdigit())


def is_on_this_machine(studio: LabelStudio) -> bool:
    return is_loopback(urlsplit(studio.url or "").hostname)


def is_public_host(host: str) -> bool:
    try:
        return is_public(socket.gethostbyname(host))
    except OSError:
        return False


def is_loopback(host: str | None) -> bool:
    return host in ("localhost", "::1") or (host or "").startswith("127.")

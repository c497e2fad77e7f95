"""Checks of Label Studio: its address, the token, the connection, the network.

They change nothing in Label Studio. Listing the backends of a project makes Label Studio request
their /health.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from backend.checks.connection_checks import Connections, check_connections, find_connections
from backend.checks.installation import Check, Installation
from backend.checks.label_checks import check_labels
from backend.errors import LabelStudioError
from backend.label_studio.answers import Unauthorized
from backend.label_studio.client import LabelStudio
from backend.label_studio.tokens import TOKEN_KINDS

CONTAINER_REMEDY = (
    "inside a container, localhost is the container itself: set LABEL_STUDIO_URL to "
    "http://host.docker.internal:8080, or to the name of Label Studio's own container"
)


def check_label_studio(installation: Installation) -> Iterator[Check]:
    """Address, token, connection and network, each only if the check before it succeeded."""
    studio = installation.label_studio
    try:
        release = str(studio.get_public_json("/api/version")["release"])
        yield Check("Label Studio", True, f"{release} at {studio.shown_url}")
    except (LabelStudioError, LookupError, TypeError) as error:
        is_own_container = installation.is_container and is_on_this_machine(studio)
        remedy = CONTAINER_REMEDY if is_own_container else str(error)
        yield Check("Label Studio", False, f"none at {studio.shown_url}", remedy)
        yield from check_networking(installation, is_answered=False, is_connected=False)
        return

    connections, is_known = Connections((), 0), False
    try:
        user = studio.get_json("/api/current-user/whoami")
        yield Check("token", True, f"{TOKEN_KINDS[studio.key_kind]} of {user['email']}")
        is_known = True
    except LabelStudioError as error:
        # Without a token images on the web still work, but no uploaded ones.
        ok = None if studio.api_key is None else False
        is_refused = studio.api_key is not None and isinstance(error, Unauthorized)
        found = TOKEN_KINDS[studio.key_kind] + (", refused" if is_refused else "")
        yield Check("token", ok, found, str(error))
    except (LookupError, TypeError) as error:
        yield unknown_api(error)
    if is_known:
        try:
            connections = find_connections(
                studio, installation.port, installation.project, installation.webhook_secret
            )
        except LabelStudioError as error:
            yield Check("Label Studio API", False, "its projects cannot be listed", str(error))
        except (LookupError, TypeError, AttributeError) as error:
            yield unknown_api(error)
    yield from check_connections(installation, release, connections)
    yield from check_labels(installation, connections.found)
    is_connected = any(one.state == "CO" for one in connections.found)
    yield from check_networking(installation, is_answered=True, is_connected=is_connected)


def unknown_api(error: Exception) -> Check:
    found = f"answers unlike those of Label Studio 1.23 ({type(error).__name__}: {error})"
    return Check("Label Studio API", False, found, "update Label Studio")


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


def is_on_this_machine(studio: LabelStudio) -> bool:
    return is_loopback(urlsplit(studio.url or "").hostname)


def is_loopback(host: str | None) -> bool:
    return host in ("localhost", "::1") or (host or "").startswith("127.")

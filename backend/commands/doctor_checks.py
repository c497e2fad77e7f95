"""The doctor's checks of one installation: each says what it found, and the cure in one sentence.

Nothing is changed, here or in Label Studio. (Listing a project's backends makes Label Studio ask
them for /health.)
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from backend.errors import LabelStudioError
from backend.images.ssrf import is_public
from backend.label_studio.client import LabelStudio
from backend.label_studio.tokens import TOKEN_KINDS

FREE_BYTES_WANTED = 2**30  # memories of corrections and the store's file stay far below
PROJECTS_ASKED = 20  # enough to find one that is connected
GUARDED_SINCE = (1, 23, 1)  # from this version Label Studio refuses private addresses

GUARD_CURE = (
    "start Label Studio with ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false, or with "
    "USE_DEFAULT_BANNED_SUBNETS=false"
)
STUDIO_CURE = (
    "inside a container, localhost is the container itself: set LABEL_STUDIO_URL to "
    "http://host.docker.internal:8080, or to the name of Label Studio's own container"
)


@dataclass(frozen=True)
class Check:
    name: str
    ok: bool | None  # None: cannot be seen from here, or matters to some installations only
    found: str
    cure: str = ""


@dataclass(frozen=True)
class Installation:
    """What is looked at. The two callables build the real part and say what it is, or raise."""

    describe_model: Callable[[], str]
    describe_store: Callable[[], str]
    host: str
    port: int
    data_dir: Path
    local_root: Path | None
    label_studio: LabelStudio
    is_container: bool = False


def examine(installation: Installation) -> list[Check]:
    """Every check, in the order in which to cure; an expected trouble is a Check, not an error."""
    return [check for look_at in EXAMINATIONS for check in look_at(installation)]


def parts(inst: Installation) -> Iterator[Check]:
    """The model and the store, built as the service would build them."""
    for name, describe in (("model", inst.describe_model), ("store", inst.describe_store)):
        try:
            yield Check(name, True, describe())
        except Exception as error:  # whatever the parts raise, a person wants the other checks too
            yield Check(name, False, f"{type(error).__name__}", str(error))


def data_folder(inst: Installation) -> Iterator[Check]:
    folder = inst.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        cure = "make it writable for this user, or set DATA_DIR to a folder that is"
        yield Check("data folder", False, f"{folder}: {error.strerror}", cure)
        return
    is_enough = free_bytes >= FREE_BYTES_WANTED
    cure = "" if is_enough else "make room, or set DATA_DIR to a folder on a larger disk"
    yield Check("data folder", is_enough, f"{folder}, {free_bytes / 2**30:.1f} GB free", cure)


def port(inst: Installation) -> Iterator[Check]:
    where = f"{inst.host}:{inst.port}"
    try:
        family, *_, address = socket.getaddrinfo(inst.host, inst.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        yield Check("port", True, f"{where} is free")
    except OSError as error:
        if serves_at(inst.host, inst.port):
            yield Check("port", True, f"{where}: Firstpass serves there already")
            return
        cure = "stop the program that has it, or set PORT; HOST must be an address of this machine"
        yield Check("port", False, f"{where}: {error.strerror}", cure)


def local_files(inst: Installation) -> Iterator[Check]:
    root = inst.local_root
    if root is None:
        found = "asked from Label Studio (LOCAL_FILES_DOCUMENT_ROOT is not set)"
        yield Check("local files", True, found)
    elif root.is_dir() and os.access(root, os.R_OK | os.X_OK):
        found = f"{root}; Label Studio itself needs LOCAL_FILES_SERVING_ENABLED=true"
        yield Check("local files", True, found)
    else:
        cure = "set LOCAL_FILES_DOCUMENT_ROOT to a folder that this user can read, or to nothing"
        yield Check("local files", False, f"{root} cannot be read", cure)


def label_studio(inst: Installation) -> Iterator[Check]:
    """Address, token, connection: each is asked only when the one before it is well."""
    studio = inst.label_studio
    try:
        answer = studio.get_json("/api/version")
        release = str(answer["release"])
        yield Check("Label Studio", True, f"{release} at {studio.url}")
    except (LabelStudioError, LookupError, TypeError) as error:
        is_itself = inst.is_container and is_loopback(urlsplit(studio.url or "").hostname)
        cure = STUDIO_CURE if is_itself else str(error)
        yield Check("Label Studio", False, f"none at {studio.url}", cure)
        yield from networking(inst, is_answered=False, is_connected=False)
        return

    backends: list[Mapping[str, Any]] = []
    hooks: set[str] = set()
    try:
        user = studio.get_json("/api/current-user/whoami")
        yield Check("token", True, f"{TOKEN_KINDS[studio.key_kind]} of {user['email']}")
        backends = connected_backends(studio, inst.port)
        hooks = {row["url"] for row in studio.get_json("/api/webhooks/")}
    except LabelStudioError as error:
        # Without a token images on the web still work, but no uploaded ones.
        ok = None if studio.key_kind == "none" else False
        yield Check("token", ok, TOKEN_KINDS[studio.key_kind], str(error))
    except (LookupError, TypeError) as error:
        found = f"answers unlike those of Label Studio 1.23 ({type(error).__name__}: {error})"
        yield Check("Label Studio API", False, found, "update Label Studio")
    yield from connection(inst, release, backends, hooks)
    is_connected = any(row["state"] == "CO" for row in backends)
    yield from networking(inst, is_answered=True, is_connected=is_connected)


def connection(
    inst: Installation, release: str, backends: list[Mapping[str, Any]], hooks: set[str]
) -> Iterator[Check]:
    """Whether a project uses this backend, and whether Label Studio lets corrections through.

    With half of its guard switched off, Label Studio saves the backend but makes no webhook:
    predictions work and corrections never arrive.
    """
    is_guarded = version_of(release) >= GUARDED_SINCE and not is_public_host(inst.host)
    if not backends:
        found = "no project uses this backend yet, as far as can be seen"
        cure = f"paste our address, with port {inst.port}, under Settings > Model > Connect Model"
        if is_guarded:
            cure += f"; if that is refused (403), {GUARD_CURE}"
        yield Check("connection", None, found, cure)
        return
    for row in backends:
        found = f"{row['url']} in project {row['project']}"
        if row["state"] != "CO":
            cure = f"start this backend, and check that Label Studio reaches {row['url']}"
            yield Check("connection", False, f"{found}: {row['readable_state']}", cure)
        elif f"{row['url'].rstrip('/')}/webhook" not in hooks:
            cure = f"{GUARD_CURE}, then remove the model from the project and connect it again"
            yield Check("connection", False, f"{found}: no webhook, so no corrections", cure)
        else:
            yield Check("connection", True, found)


def networking(inst: Installation, *, is_answered: bool, is_connected: bool) -> Iterator[Check]:
    """Whether Label Studio can reach us, as far as addresses tell."""
    found = f"we listen on {inst.host}:{inst.port}"
    is_beside = is_loopback(urlsplit(inst.label_studio.url or "").hostname)
    if is_connected:
        yield Check("networking", True, f"{found}, and Label Studio reaches us")
    elif not is_loopback(inst.host) or (inst.is_container and is_beside and is_answered):
        yield Check("networking", True, found)
    elif is_beside and not inst.is_container:
        cure = (
            "if Label Studio runs in Docker, set HOST=0.0.0.0 and connect "
            f"http://host.docker.internal:{inst.port}"
        )
        yield Check("networking", None, f"{found}, which only this machine sees", cure)
    else:
        cure = "set HOST=0.0.0.0 and connect the address under which Label Studio sees this machine"
        yield Check("networking", False, f"{found}, which only this machine sees", cure)


EXAMINATIONS = (parts, data_folder, port, local_files, label_studio)


def connected_backends(studio: LabelStudio, port: int) -> list[Mapping[str, Any]]:
    """Rows of Label Studio's ML backends, in its first projects, whose URL has our port."""
    asked = {"include": "id", "page_size": PROJECTS_ASKED}
    projects = studio.get_json("/api/projects/", asked)["results"]
    rows = [
        row
        for project in projects
        for row in studio.get_json("/api/ml/", {"project": project["id"]})
    ]
    return [row for row in rows if urlsplit(row["url"]).port == port]


def serves_at(host: str, port: int) -> bool:
    """Whether it is Firstpass that answers there, with or without a password."""
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    try:
        response = requests.get(f"http://{host}:{port}/health", timeout=2)
    except requests.RequestException:
        return False
    return "Firstpass" in response.text + response.headers.get("www-authenticate", "")


def version_of(release: str) -> tuple[int, ...]:
    """`"1.23.2.post1"` -> (1, 23, 2)."""
    numbers = [int(part) for part in release.split(".")[:3] if part.isdigit()]
    return tuple(numbers)


def is_public_host(host: str) -> bool:
    try:
        return is_public(socket.gethostbyname(host))
    except OSError:
        return False


def is_loopback(host: str | None) -> bool:
    return host in ("localhost", "::1") or (host or "").startswith("127.")

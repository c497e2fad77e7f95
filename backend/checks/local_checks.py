"""Checks of this machine: model, store, data folder, port, local files."""

import os
import shutil
import tempfile
from collections.abc import Iterator

import requests

from backend.checks.installation import Check, Installation
from backend.listen_address import check_bind, local_url

MIN_FREE_BYTES = 2**30  # lessons and the store's files take far less


def check_model_and_store(installation: Installation) -> Iterator[Check]:
    """Builds both as the service does."""
    parts = (("model", installation.describe_model), ("store", installation.describe_store))
    for name, describe in parts:
        try:
            yield Check(name, True, describe())
        except Exception as error:  # of any type, since the other checks shall run as well
            yield Check(name, False, type(error).__name__, str(error))


def check_data_folder(installation: Installation) -> Iterator[Check]:
    """Whether the folder can be written and its disk has room."""
    folder = installation.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        remedy = "make it writable for this user, or set DATA_DIR to a folder that is"
        yield Check("data folder", False, f"{folder}: {error.strerror}", remedy)
        return
    is_enough = free_bytes >= MIN_FREE_BYTES
    remedy = "" if is_enough else "make room, or set DATA_DIR to a folder on a larger disk"
    yield Check("data folder", is_enough, f"{folder}, {free_bytes / 2**30:.1f} GB free", remedy)


def check_port(installation: Installation) -> Iterator[Check]:
    """Whether the port is free, or Firstpass serves there already."""
    host, port = installation.host, installation.port
    try:
        check_bind(host, port)
        yield Check("port", True, f"{host}:{port} is free")
    except OSError as error:
        if is_firstpass_at(local_url(host, port)):
            yield Check("port", True, f"{host}:{port}: Firstpass serves there already")
            return
        remedy = (
            "stop the program that has it, or set PORT; HOST must be an address of this machine"
        )
        yield Check("port", False, f"{host}:{port}: {error.strerror}", remedy)


def is_firstpass_at(url: str) -> bool:
    """Whether it is Firstpass that answers there, with or without a password."""
    try:
        response = requests.get(f"{url}/health", timeout=2)
    except requests.RequestException:
        return False
    return "Firstpass" in response.text + response.headers.get("www-authenticate", "")


def check_local_files(installation: Installation) -> Iterator[Check]:
    """Whether LOCAL_FILES_DOCUMENT_ROOT can be read."""
    root = installation.local_root
    if root is None:
        found = "asked from Label Studio (LOCAL_FILES_DOCUMENT_ROOT is not set)"
        yield Check("local files", True, found)
    elif root.is_dir() and os.access(root, os.R_OK | os.X_OK):
        found = f"{root}; Label Studio itself needs LOCAL_FILES_SERVING_ENABLED=true"
        yield Check("local files", True, found)
    else:
        remedy = "set LOCAL_FILES_DOCUMENT_ROOT to a folder that this user can read, or to nothing"
        yield Check("local files", False, f"{root} cannot be read", remedy)

"""Why a server gave no image, as an error with its remedy, without what it answered."""

from http import HTTPStatus
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from backend.errors import ImageError, ImageForbidden, ImageNotFound
from backend.label_studio.client import LabelStudio
from backend.label_studio.error_text import MAX_BODY_BYTES, error_text, storage_code
from backend.redaction import redact_url

NO_ACCESS_REMEDY = "use the token of a user who may open this project"
LOCAL_FILES_REMEDY = (
    "check that the file is there, and that a Local Files storage covers its folder (Settings > "
    "Cloud Storage) in a project which the token's user may open"
)
NO_IMAGE_PATH_REMEDY = (
    "this is no path under which Label Studio serves images, so it gets no token: name one such as "
    "/data/upload/…"
)
HOST_REMEDY = (
    "give its user and password in the project's task data credentials, or connect the storage in "
    "Label Studio and import its s3://, gs:// or azure-blob:// URIs"
)


UNREACHABLE_REMEDY = "check the host's name, and that this machine reaches it"
OWN_UNREACHABLE_REMEDY = (
    "start Label Studio, or set LABEL_STUDIO_URL to where this machine reaches it"
)


def refusal(url: str, response: requests.Response, label_studio: LabelStudio) -> ImageError:
    """The error for an answer with another status than 200."""
    status, is_image = response.status_code, label_studio.is_image_url(url)
    answer = f"{redact_url(url)} answers {describe_status(status)}"
    error_type = ImageForbidden if status in (401, 403) else UnexpectedStatus
    kind, body = response.headers.get("content-type", ""), _read_start(response)
    if is_image and status != 401 and (said := error_text(kind, body)):
        # It knows the cause, of which a status tells little.
        return error_type(f"{answer}. Label Studio says: {said}")
    # What other servers say may be for others' eyes: of it no more than a known word.
    answer += f" ({code})" if (code := storage_code(body)) else ""
    return error_type(f"{answer}: {remedy(url, status, label_studio)}.")


def remedy(url: str, status: int, label_studio: LabelStudio) -> str:
    """What may help where the host itself does not say it."""
    is_image = label_studio.is_image_url(url)
    if is_image and status == 404 and is_local_files(urlsplit(url).path):
        return LOCAL_FILES_REMEDY
    if not is_image and label_studio.is_own(url):
        return NO_IMAGE_PATH_REMEDY
    if status not in (401, 403):
        return "check that the image still exists there"
    if not is_image:
        return HOST_REMEDY
    is_stranger = status == 403 and label_studio.api_key
    return NO_ACCESS_REMEDY if is_stranger else label_studio.key_remedy


class UnexpectedStatus(ImageNotFound):
    """The host answered with a status other than 200, 401 or 403."""


def is_local_files(path: str) -> bool:
    """Whether a path of Label Studio is that of its local files."""
    return path.rstrip("/").endswith("/data/local-files")


def _read_start(response: requests.Response) -> bytes:
    try:
        return next(response.iter_content(MAX_BODY_BYTES), b"")
    except (requests.RequestException, HTTPError):
        return b""


def describe_status(status: int) -> str:
    """The status with its usual reason, such as "404 Not Found"; a server may send any other."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)

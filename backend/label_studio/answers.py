"""Reads what Label Studio's API answers: JSON, or the error that a status stands for."""

from typing import Any

import requests

from backend.errors import LabelStudioError
from backend.label_studio.error_text import error_text
from backend.redaction import redact_url

HINTS = {
    403: "use the token of a user who may see this.",
    404: "is LABEL_STUDIO_URL right?",
}
# Of a proxy whose Label Studio is starting or overloaded; the same request may succeed later.
UNAVAILABLE_STATUS = (429, 502, 503, 504)


class NotFound(LabelStudioError):
    """Label Studio answered 404."""


class Unauthorized(LabelStudioError):
    """Label Studio answered 401."""


class Forbidden(LabelStudioError):
    """Label Studio answered 403: its user may not do this."""


class Unavailable(LabelStudioError):
    """Label Studio does not answer now, or not within the time."""


class Refused(LabelStudioError):
    """Label Studio answered 400: it does not take what was sent."""


ERROR_OF_STATUS: dict[int, type[LabelStudioError]] = {
    400: Refused,
    403: Forbidden,
    404: NotFound,
    **dict.fromkeys(UNAVAILABLE_STATUS, Unavailable),
}


def error_of_status(method: str, path: str, response: requests.Response) -> LabelStudioError:
    """The error to raise for an answer that is none of 2xx."""
    status = response.status_code
    return ERROR_OF_STATUS.get(status, LabelStudioError)(
        f"Label Studio answers {method} {path} with {status} "
        f"({error_detail(response)}): {HINTS.get(status, 'see its log.')}"
    )


def parse_json(response: requests.Response) -> Any:
    """Raises LabelStudioError for an answer that is no JSON."""
    try:
        return response.json()
    except ValueError as error:
        raise LabelStudioError(
            f"{redact_url(response.url)} answers, but not JSON: is LABEL_STUDIO_URL the address "
            "of a Label Studio?"
        ) from error


def error_detail(response: requests.Response) -> str:
    """Label Studio's own words on an error, or else the reason of its status."""
    said = error_text(response.headers.get("content-type", ""), response.content)
    return said or response.reason or "no reason given"

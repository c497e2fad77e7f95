"""Reads JSON request bodies, makes JSON responses, and turns exceptions into JSON responses.

Label Studio shows its users the reason phrase of an error's status line ("400 Client Error:
<reason>") and drops the body, so messages are in both. Its dialog takes the phrase for HTML.
"""

import logging
from typing import Any

import orjson
from flask import Response, request
from werkzeug.exceptions import HTTPException

from backend.errors import FirstpassError, NoJson, RequestError
from backend.recent_failures import explained
from model import ModelError

MAX_DEPTH = 254  # of lists and objects in each other: what orjson can write again
HTTP_CODE = "http"  # of errors that Flask finds: no such route, another method, too large a body
REASON_LENGTH = 300  # characters of an error that fit in a status line

log = logging.getLogger(__name__)


def read_json_body() -> dict[str, Any]:
    """The JSON object in the body of the current request. Raises RequestError.

    It must be sent as JSON: what a browser sends of another type, it sends for any web page.
    """
    raw = read_body()
    if request.mimetype != "application/json":
        raise NoJson(
            f"The Content-Type is {ascii(request.mimetype)[:80]}: send the body with "
            "Content-Type: application/json."
        )
    try:
        body = orjson.loads(raw)
        if not isinstance(body, dict):
            raise RequestError(f"The body must be a JSON object, not {type(body).__name__}.")
        if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
            orjson.dumps(body)  # raises for what is nested more deeply than we can write
    except orjson.JSONDecodeError as error:
        raise RequestError(f"The body is not JSON: {error}.") from error
    except orjson.JSONEncodeError as error:
        raise RequestError(f"The body is nested more than {MAX_DEPTH} levels deep.") from error
    return body


def has_body() -> bool:
    return bool(request.content_length) or "Transfer-Encoding" in request.headers


def read_body() -> bytes:
    """The body of the current request. Raises RequestError if it breaks off."""
    try:
        return request.get_data(cache=False)
    except HTTPException:  # such as a body over the limit
        raise
    except Exception as error:  # of the server's own types, such as an invalid size of a chunk
        raise RequestError(
            f"The body cannot be read to its end ({type(error).__name__}): send its length, or "
            "chunks that begin with theirs."
        ) from error


def json_response(body: dict[str, Any]) -> Response:
    return Response(
        orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), mimetype="application/json"
    )


def handle_error(error: Exception) -> Response:
    """The JSON response for an exception, without a traceback."""
    error = explained(error)
    if isinstance(error, HTTPException):
        response = error_response(error.code or 500, HTTP_CODE, error.description or error.name)
        response.headers.extend(
            (name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After")
        )
        return response
    status, code = status_and_code(type(error))
    if isinstance(error, FirstpassError):
        log.warning("%s %s: %s", request.method, request.path, error)
        response = error_response(status, code, str(error))
        if error.retry_after_s is not None:
            response.headers["Retry-After"] = str(error.retry_after_s)
        return response
    if isinstance(error, ModelError):
        return error_response(status, code, str(error))
    log.error("%s %s: unexpected error", request.method, request.path, exc_info=error)
    return error_response(status, code, "An unexpected error: the server's log has the details.")


def status_and_code(kind: type[Exception]) -> tuple[int, str]:
    """Of the answer for an exception of this type: 400 and "request" for RequestError."""
    if issubclass(kind, FirstpassError):
        return kind.http_status, kind.code
    return (400, "model") if issubclass(kind, ModelError) else (500, "internal")


def error_response(status: int, code: str, message: str) -> Response:
    response = json_response({"error": code, "message": message})
    response.status = f"{status} {reason_phrase(message)}"
    return response


def reason_phrase(message: str) -> str:
    """The first line of a message, as Label Studio's dialog can show it.

    Examples of XML are on further lines. Of a tag in the first one nothing would be left in the
    dialog, so its angle brackets become square ones.
    """
    line = message.partition("\n")[0].encode("ascii", "replace").decode()
    return " ".join(line.translate({ord("<"): "[", ord(">"): "]"}).split())[:REASON_LENGTH]

"""Reads JSON request bodies, makes JSON responses, and turns exceptions into JSON responses.

Label Studio shows its users the reason phrase of an error's status line ("400 Client Error:
<reason>") and drops the body, so messages are in both.
"""

import logging
from typing import Any

import orjson
from flask import Response, request
from werkzeug.exceptions import HTTPException

from backend.errors import FirstpassError, RequestError
from model import ModelError

REASON_LENGTH = 300  # characters of an error that fit in a status line

log = logging.getLogger(__name__)


def read_json_body() -> dict[str, Any]:
    """The JSON object in the body of the current request. Raises RequestError."""
    try:
        body = orjson.loads(request.get_data(cache=False))
    except orjson.JSONDecodeError as error:
        raise RequestError(f"The body is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise RequestError(f"The body must be a JSON object, not {type(body).__name__}.")
    return body


def json_response(body: dict[str, Any]) -> Response:
    return Response(
        orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), mimetype="application/json"
    )


def handle_error(error: Exception) -> Response:
    """The JSON response for an exception, without a traceback."""
    if isinstance(error, HTTPException):
        response = error_response(error.code or 500, "http", error.description or error.name)
        response.headers.extend(
            (name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After")
        )
        return response
    if isinstance(error, FirstpassError):
        log.warning("%s %s: %s", request.method, request.path, error)
        return error_response(error.http_status, error.code, str(error))
    if isinstance(error, ModelError):
        return error_response(400, "model", str(error))
    log.error("%s %s: unexpected error", request.method, request.path, exc_info=error)
    return error_response(500, "internal", "An unexpected error: the server's log has the details.")


def error_response(status: int, code: str, message: str) -> Response:
    response = json_response({"error": code, "message": message})
    reason = " ".join(message.encode("ascii", "replace").decode().split())[:REASON_LENGTH]
    response.status = f"{status} {reason}"
    return response

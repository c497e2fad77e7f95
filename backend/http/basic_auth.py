"""HTTP basic auth, when a password is set."""

import hmac

from flask import Response, request

from backend.http.json_bodies import error_response
from backend.settings import Settings


def refusal(settings: Settings) -> Response | None:
    """The 401 that the current request earns, or None. /health asks too: so people see it."""
    if not settings.basic_auth_user:
        return None
    given = request.authorization
    if given is None and request.path == "/webhook" and settings.webhook_auth == "optional":
        return None  # Label Studio sends no password with its events
    expected = (settings.basic_auth_user, settings.basic_auth_pass)
    found = (given.username or "", given.password or "") if given else ("", "")
    if all(
        hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(found, expected, strict=True)
    ):
        return None
    answer = error_response(401, "unauthorized", "User or password is missing or wrong.")
    answer.headers["WWW-Authenticate"] = 'Basic realm="Firstpass"'
    return answer

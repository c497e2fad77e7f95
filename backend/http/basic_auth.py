"""HTTP basic authentication, if a password is set."""

import hmac

from flask import Response, request

from backend.http.json_bodies import error_response
from backend.settings import Settings


def check_basic_auth(settings: Settings) -> Response | None:
    """A 401 response if the current request lacks the password, else None.

    /health needs it as well, so that Label Studio shows a wrong password when it connects.
    """
    if not settings.basic_auth_user:
        return None
    given = request.authorization
    if given is None and request.path == "/webhook" and settings.webhook_auth == "optional":
        return None  # Label Studio sends no password with its webhooks
    expected = (settings.basic_auth_user, settings.basic_auth_pass)
    found = (given.username or "", given.password or "") if given else ("", "")
    if all(
        hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(found, expected, strict=True)
    ):
        return None
    answer = error_response(401, "unauthorized", "User or password is missing or wrong.")
    answer.headers["WWW-Authenticate"] = 'Basic realm="Firstpass"'
    return answer

"""HTTP basic authentication, if a password is set; webhooks may have a secret of their own."""

import hashlib
import hmac

from flask import Response, request

from backend.http.app_state import app_state
from backend.http.json_bodies import error_response
from backend.label_studio.webhook_secret import HEADER, webhook_secret
from backend.service import Service
from backend.settings import Settings

REFUSED_WEBHOOK = (
    "A webhook came without its secret and was refused, so corrections may be missing: run "
    "`python -m backend connect`, which gives the secret to Label Studio's webhooks."
)


def check_basic_auth(service: Service) -> Response | None:
    """A 401 response if the current request lacks the password, else None.

    /health needs it as well, so that Label Studio shows a wrong password when it connects.
    """
    settings = service.settings
    if not settings.basic_auth_user or is_authorized(settings):
        return None
    if request.path == "/webhook" and request.authorization is None:
        # Label Studio sends no password with its webhooks, and shows nobody that they fail.
        app_state().warn_once(REFUSED_WEBHOOK)
        service.failures.add("?", "learn", "unauthorized", REFUSED_WEBHOOK)
        return error_response(401, "unauthorized", REFUSED_WEBHOOK)
    answer = error_response(401, "unauthorized", "User or password is missing or wrong.")
    answer.headers["WWW-Authenticate"] = 'Basic realm="Firstpass"'
    return answer


def is_authorized(settings: Settings) -> bool:
    """Whether the current request has the password or, for a webhook, what it needs instead."""
    user, password = settings.basic_auth_user, settings.basic_auth_pass
    given = request.authorization
    if given is None and request.path == "/webhook":
        secret = request.headers.get(HEADER)
        if secret is None:
            return settings.webhook_auth == "optional"
        return is_same(secret, webhook_secret(user, password))
    found = (given.username or "", given.password or "") if given else ("", "")
    # Both are compared whatever the first one tells, so that the time tells nothing of the name.
    return is_same(found[0], user) & is_same(found[1], password)


def is_same(given: str, expected: str) -> bool:
    """Whether two texts are the same, in a time that does not depend on where they differ."""
    digests = [hashlib.sha256(text.encode(errors="replace")).digest() for text in (given, expected)]
    return hmac.compare_digest(*digests)

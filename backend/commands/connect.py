"""`python -m backend connect`: gives Label Studio's webhooks to us the secret that we ask for."""

from collections.abc import Iterator, Mapping
from typing import Any

from backend.checks.connection_checks import backends_at, webhooks_of
from backend.errors import LabelStudioError, SettingsError
from backend.label_studio.client import LabelStudio
from backend.label_studio.webhook_secret import HEADER, webhook_secret
from backend.redaction import redact_url
from backend.settings import Settings


def connect(settings: Settings, project: str | None = None) -> Iterator[str]:
    """A line for each webhook of this backend, once it has the secret; of one project or all.

    Raises SettingsError without a password, and LabelStudioError.
    """
    if not settings.basic_auth_user:
        raise SettingsError(
            "Webhooks need no secret, since BASIC_AUTH_USER and BASIC_AUTH_PASS are not set."
        )
    secret = webhook_secret(settings.basic_auth_user, settings.basic_auth_pass)
    studio = LabelStudio(settings.label_studio_url, settings.label_studio_api_key)
    try:
        backends = [
            row
            for row in backends_at(studio, settings.port, project)[0]
            if row.get("basic_auth_user") == settings.basic_auth_user  # of others it is none
        ]
        webhooks = studio.get_json("/api/webhooks/") if backends else []
        ours = {row["id"]: row for one in backends for row in webhooks_of(one, webhooks)}
        for row in ours.values():
            yield give_secret(studio, row, secret)
    except (LookupError, TypeError, AttributeError) as error:
        raise LabelStudioError(
            f"Label Studio answers unlike 1.23 ({type(error).__name__}: {error}): update it."
        ) from error
    if not ours:
        yield (
            f"No webhook to a backend with port {settings.port} and user "
            f"{settings.basic_auth_user!r} was found: connect the model in Label Studio first, "
            "with user and password."
        )


def give_secret(studio: LabelStudio, webhook: Mapping[str, Any], secret: str) -> str:
    """Set the header of one webhook, beside those that it has; says what was done."""
    headers = dict(webhook.get("headers") or {})
    where = f"webhook {webhook['id']} to {redact_url(webhook['url'])}"
    if headers.get(HEADER) == secret:
        return f"{where} has the secret already"
    studio.patch(f"/api/webhooks/{webhook['id']}/", {"headers": headers | {HEADER: secret}})
    return f"{where} has the secret now"

"""The kinds of Label Studio's tokens, recognized by their form, with a remedy for each refusal.

As in Label Studio 1.23.2: a legacy token, 40 hex digits, is sent as it is, and is disabled in new
organizations. A personal access token is a JWT *refresh* token: it is exchanged for an access token
that is valid for 300 s, and only that one authorizes requests.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

NEW_KEY_REMEDY = (
    "make one in Label Studio under Account & Settings > Personal Access Token, "
    "and set LABEL_STUDIO_API_KEY to it"
)
TOKEN_KINDS = {
    "none": "none given",
    "legacy": "legacy token",
    "refresh": "personal access token",
    "access": "access token of the moment",
    "truncated": "personal access token without its end",
    "unknown": "token of no known kind",
}
REMEDIES = {
    "sent": "no LABEL_STUDIO_API_KEY is given, and the token that Label Studio sends itself is "
    f"refused: {NEW_KEY_REMEDY}",
    "none": f"no token is given: {NEW_KEY_REMEDY}",
    "legacy": "legacy tokens are off by default: allow them under Organization > Access Token "
    f"Settings, or get a personal access token: {NEW_KEY_REMEDY}",
    "refresh": f"the token was revoked or belongs to another Label Studio: {NEW_KEY_REMEDY}",
    "access": f"this is an access token, which lives five minutes: {NEW_KEY_REMEDY}",
    "truncated": f"the token was copied without its last part: {NEW_KEY_REMEDY}",
    "unknown": f"the token is neither 40 hex digits nor a personal access token: {NEW_KEY_REMEDY}",
}

DEFAULT_LIFETIME_S = 300.0  # of an access token without times of issue and expiry
RENEWAL_MARGIN_S = 30.0  # a token is renewed so long before it expires


def token_kind(api_key: str | None) -> str:
    """The kind of a token, a key of TOKEN_KINDS, by its form alone."""
    if not api_key:
        return "none"
    if re.fullmatch(r"[0-9a-f]{40}", api_key):
        return "legacy"
    claims = jwt_claims(api_key)
    if claims is None:
        return "unknown"
    if api_key.count(".") == 1:
        return "truncated"  # Label Studio's list of tokens shows them without the signature
    return "access" if claims.get("token_type") == "access" else "refresh"


def jwt_claims(token: str) -> dict[str, Any] | None:
    """The unverified claims of a JWT; None if the token is no JWT."""
    parts = token.split(".")
    if len(parts) not in (2, 3):
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


@dataclass(frozen=True)
class AccessToken:
    text: str
    renew_at_s: float  # on the clock that `now_s` was read from

    @classmethod
    def issued_at(cls, text: str, now_s: float) -> "AccessToken":
        """A token received at `now_s`. Its lifetime is exp - iat, since the clocks may differ."""
        claims = jwt_claims(text) or {}
        try:
            lifetime_s = float(claims["exp"]) - float(claims["iat"])
        except (KeyError, TypeError, ValueError):
            lifetime_s = DEFAULT_LIFETIME_S
        return cls(text, now_s + lifetime_s - min(RENEWAL_MARGIN_S, lifetime_s / 2))

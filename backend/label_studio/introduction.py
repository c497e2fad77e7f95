"""What a /setup says of Label Studio itself: its public name, and a token.

Anyone who reaches our port can send a /setup, so what it says is believed only where the operator
has set nothing, and the first one is: a later one cannot replace what works.
"""

import logging

from backend.label_studio.url_origin import origin
from backend.log_once import WarnOnce
from backend.redaction import redact_url

MAX_CHARS = 4096  # of a name or a token

log = logging.getLogger(__name__)


class Introduction:
    """The name and token of the first /setup; the token until Label Studio refuses it."""

    def __init__(self) -> None:
        self.hostname: str | None = None
        self.token: str | None = None
        self.is_contested = False  # a later /setup brought another token
        self._is_refused = False  # the token, by Label Studio
        self._warn_once = WarnOnce(log)

    def note(self, hostname: object, token: object) -> None:
        """Take name and token where there are none yet."""
        if name := _short_text(hostname).rstrip("/"):
            self._note_name(name)
        if given := _short_text(token):
            self._note_token(given)

    def note_refusal(self, token: str) -> None:
        """Label Studio refused this token: the next /setup may bring another."""
        self._is_refused = self._is_refused or token == self.token

    def note_acceptance(self, token: str) -> None:
        self.is_contested = self.is_contested and token != self.token

    def _note_name(self, name: str) -> None:
        try:
            origin(name)
        except ValueError:
            return  # no URL of any image can begin with it
        if self.hostname is None:
            self.hostname = name
        elif name != self.hostname:
            self._warn_once(
                f"A /setup calls Label Studio {redact_url(name)!r}, an earlier one "
                f"{redact_url(self.hostname)!r}: the earlier name is kept until a restart."
            )

    def _note_token(self, token: str) -> None:
        if token == self.token:
            return
        if self.token is None or self._is_refused:
            self.token, self._is_refused, self.is_contested = token, False, False
            return
        self.is_contested = True
        self._warn_once(
            "A /setup brings another token than an earlier one, which is kept while Label Studio "
            "takes it. With LABEL_STUDIO_API_KEY set, neither is used."
        )


def _short_text(value: object) -> str:
    """The text without white space around it; "" for what is none, or too long to be meant."""
    return value.strip() if isinstance(value, str) and len(value) <= MAX_CHARS else ""

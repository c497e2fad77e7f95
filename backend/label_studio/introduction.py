"""What a /setup says of Label Studio itself: its public name, and a token.

Anyone who reaches our port can send a /setup, so what it says is believed only where the operator
has set nothing, and the first one is: a later one cannot replace what works.
"""

import logging

from backend.label_studio.url_origin import origin
from backend.log_once import WarnOnce
from backend.redaction import redact_url
from backend.shared_record import SharedRecord

MAX_CHARS = 4096  # of a name or a token

log = logging.getLogger(__name__)


class Introduction:
    """The name and token of the first /setup; the token until Label Studio refuses it.

    They are those of all workers, whichever of them was asked: `record` is what they share.
    """

    def __init__(self, record: SharedRecord | None = None) -> None:
        self._record = record or SharedRecord()
        self._warn_once = WarnOnce(log)

    @property
    def hostname(self) -> str | None:
        found: str | None = self._record.read().get("hostname")
        return found

    @property
    def token(self) -> str | None:
        found: str | None = self._record.read().get("token")
        return found

    @property
    def is_contested(self) -> bool:
        """Whether a later /setup brought another token."""
        return bool(self._record.read().get("is_contested"))

    def note(self, hostname: object, token: object) -> None:
        """Take name and token where there are none yet."""
        if name := _short_text(hostname).rstrip("/"):
            self._note_name(name)
        if given := _short_text(token):
            self._note_token(given)

    def note_refusal(self, token: str) -> None:
        """Label Studio refused this token: the next /setup may bring another."""
        with self._record.change() as known:
            known["is_refused"] = known.get("is_refused") or token == known.get("token")

    def note_acceptance(self, token: str) -> None:
        with self._record.change() as known:
            if token == known.get("token"):
                known["is_contested"] = False

    def _note_name(self, name: str) -> None:
        try:
            origin(name)
        except ValueError:
            return  # no URL of any image can begin with it
        with self._record.change() as known:
            first = known.setdefault("hostname", name)
        if name != first:
            self._warn_once(
                f"A /setup calls Label Studio {redact_url(name)!r}, an earlier one "
                f"{redact_url(first)!r}: the earlier name is kept until a restart."
            )

    def _note_token(self, token: str) -> None:
        with self._record.change() as known:
            if token == known.get("token"):
                return
            if known.get("token") is None or known.get("is_refused"):
                known |= {"token": token, "is_refused": False, "is_contested": False}
                return
            known["is_contested"] = True
        self._warn_once(
            "A /setup brings another token than an earlier one, which is kept while Label Studio "
            "takes it. With LABEL_STUDIO_API_KEY set, neither is used."
        )


def _short_text(value: object) -> str:
    """The text without white space around it; "" for what is none, or too long to be meant."""
    return value.strip() if isinstance(value, str) and len(value) <= MAX_CHARS else ""

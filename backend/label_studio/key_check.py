"""Tries the API key against Label Studio, since a refused one shows nothing in the browser.

It is tried in the background: at the start, when /setup brings another key, and at a later /setup
while the last try failed.
"""

import logging
import threading
import time

from backend.errors import LabelStudioError
from backend.label_studio.answers import Unauthorized
from backend.label_studio.client import LabelStudio
from backend.label_studio.tokens import NEW_KEY_REMEDY, TOKEN_KINDS
from backend.log_once import WarnOnce

RETRY_S = 30.0  # between tries of a key that did not work

log = logging.getLogger(__name__)


class KeyCheck:
    """Safe between threads."""

    def __init__(self, studio: LabelStudio) -> None:
        self._studio = studio
        self._problem: str | None = None
        self._tried_s = float("-inf")
        self._lock = threading.Lock()
        self._warn_once = WarnOnce(log)

    @property
    def problem(self) -> str | None:
        """Why uploaded images cannot be read, with the remedy; None if nothing is known of it."""
        if self._studio.api_key is None:
            return f"No LABEL_STUDIO_API_KEY is given, so no uploaded image can be read: {REMEDY}"
        return self._problem

    def try_later(self) -> None:
        """Try the key in a thread."""
        self._tried_s = time.monotonic()
        threading.Thread(target=self.try_now, name="key-check", daemon=True).start()

    def note_setup(self, *, is_key_new: bool) -> None:
        """Try the key again where a /setup may have changed the outcome."""
        is_doubtful = self._problem or self._studio.introduction.is_contested
        is_due = is_doubtful and time.monotonic() - self._tried_s > RETRY_S
        if is_key_new or is_due:
            self.try_later()

    def try_now(self) -> None:
        with self._lock:
            studio, kind = self._studio, TOKEN_KINDS[self._studio.key_kind]
            tried = studio.api_key
            if tried is None:
                return
            try:
                studio.get("/api/current-user/whoami")
            except Unauthorized as error:
                self._problem = str(error)
                if not studio.is_key_configured:
                    studio.introduction.note_refusal(tried)
                    self._problem = (
                        "No LABEL_STUDIO_API_KEY is given, and Label Studio refuses the "
                        f"{kind} that it sends to /setup itself: {REMEDY}"
                    )
                self._warn_once(f"No uploaded image can be read. {self._problem}")
            except LabelStudioError as error:
                self._problem = f"The API key could not be tried: {error}"
                log.info("%s", self._problem)
            else:
                self._problem = None
                studio.introduction.note_acceptance(tried)
                log.info("Label Studio at %s accepts the %s.", studio.shown_url, kind)


REMEDY = f"{NEW_KEY_REMEDY}."

"""Tries the API key against Label Studio, since a refused one shows nothing in the browser.

It is tried in the background: at the start, when /setup brings another key, and at a later /setup
while the last try failed or has no outcome. Of several workers one tries it, and all know the
outcome.
"""

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from backend.errors import LabelStudioError
from backend.label_studio.answers import Unauthorized
from backend.label_studio.client import LabelStudio
from backend.label_studio.tokens import NEW_KEY_REMEDY, TOKEN_KINDS
from backend.log_once import WarnOnce
from backend.plain_thread import PlainThread
from backend.shared_record import SharedRecord

MAX_PROBLEM_CHARS = 2000
RETRY_S = 30.0  # between tries of a key that did not work
NO_THREAD = "The API key could not be tried: there was no memory for a thread."
NO_OUTCOME = (
    f"Nothing came of trying the API key for {RETRY_S:.0f} s: Label Studio is slow, there was no "
    "memory for it, or its worker was killed. The next /setup has it tried again."
)

log = logging.getLogger(__name__)


class KeyCheck:
    """Safe between threads."""

    def __init__(self, studio: LabelStudio, record: SharedRecord | None = None) -> None:
        """`record`: of all workers."""
        self._studio = studio
        self._record = record or SharedRecord()
        self._lock = threading.Lock()
        self._warn_once = WarnOnce(log)

    @property
    def problem(self) -> str | None:
        """Why uploaded images cannot be read, with the remedy; None if nothing is known of it."""
        if self._studio.api_key is None:
            return f"No LABEL_STUDIO_API_KEY is given, so no uploaded image can be read: {REMEDY}"
        known = self._record.read()
        found: str | None = known.get("key_problem")
        return found or (NO_OUTCOME if known.get("is_key_on_trial") and _is_due(known) else None)

    def try_first(self) -> None:
        """Try the key in a thread, unless another worker has."""
        with self._record.change() as known:
            is_first = "key_tried_s" not in known
            known.setdefault("key_tried_s", time.monotonic())
        if is_first:
            self.try_later()

    def try_later(self) -> None:
        """Try the key in a thread."""
        with self._record.change() as known:
            known["key_tried_s"] = time.monotonic()  # of the machine, for all its processes
            known["is_key_on_trial"] = True  # for ever, if the thread finds no memory
        try:
            PlainThread(self.try_now)
        except RuntimeError:
            self._note(NO_THREAD)

    def note_setup(self, *, is_key_new: bool) -> None:
        """Try the key again where a /setup may have changed the outcome."""
        known = self._record.read()
        has_failed = known.get("key_problem") or known.get("is_key_on_trial")
        is_doubtful = has_failed or self._studio.introduction.is_contested
        if is_key_new or (is_doubtful and _is_due(known)):
            self.try_later()

    def try_now(self) -> None:
        with self._lock:
            studio, kind = self._studio, TOKEN_KINDS[self._studio.key_kind]
            tried = studio.api_key
            if tried is None:
                self._note(None)
                return
            try:
                studio.get("/api/current-user/whoami")
            except Unauthorized as error:
                problem = str(error)
                if not studio.is_key_configured:
                    studio.introduction.note_refusal(tried)
                    problem = (
                        "No LABEL_STUDIO_API_KEY is given, and Label Studio refuses the "
                        f"{kind} that it sends to /setup itself: {REMEDY}"
                    )
                self._warn_once(f"No uploaded image can be read. {problem}")
                self._note(problem)
            except LabelStudioError as error:
                self._note(f"The API key could not be tried: {error}")
                log.info("The API key could not be tried: %s", error)
            else:
                self._note(None)
                studio.introduction.note_acceptance(tried)
                log.info("Label Studio at %s accepts the %s.", studio.shown_url, kind)

    def _note(self, problem: str | None) -> None:
        with self._record.change() as known:
            known["key_problem"] = problem and problem[:MAX_PROBLEM_CHARS]
            known["is_key_on_trial"] = False


def _is_due(known: Mapping[str, Any]) -> bool:
    """Whether the last try began long enough ago for another one."""
    tried_s: float = known.get("key_tried_s", float("-inf"))
    return time.monotonic() - tried_s > RETRY_S


REMEDY = f"{NEW_KEY_REMEDY}."

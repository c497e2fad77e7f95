"""A client of the Label Studio API: its address, its tokens, its requests."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from backend.errors import LabelStudioError, SettingsError
from backend.label_studio.answers import (
    Unauthorized,
    Unavailable,
    error_detail,
    error_of_status,
    parse_json,
)
from backend.label_studio.image_paths import is_image_path
from backend.label_studio.introduction import Introduction
from backend.label_studio.tokens import REMEDIES, TOKEN_KINDS, AccessToken, token_kind
from backend.label_studio.url_origin import may_share_credentials, origin
from backend.redaction import redact_url
from backend.timed_http import Deadline, TimedSession

FAILURE_CACHE_S = 5.0  # a failed token exchange is not repeated for so long: a batch asks often


class LabelStudio:
    """One Label Studio server. Safe between threads."""

    def __init__(
        self,
        url: str | None,
        api_key: str | None = None,
        *,
        timeout_s: float = 10.0,  # of connecting, and of silence
        total_s: float = 60.0,  # of one answer
        clock: Callable[[], float] = time.monotonic,
        introduction: Introduction | None = None,
    ) -> None:
        """`url` may contain a sub-path, `introduction` be shared with other processes. Raises
        SettingsError for an invalid URL."""
        self.url = (url or "").strip().rstrip("/") or None
        self._configured_key = (api_key or "").strip() or None
        self.timeout_s = timeout_s
        self.total_s = total_s
        self.introduction = introduction or Introduction()
        self._clock = clock
        self._exchange_lock = threading.Lock()
        self._cached_token: AccessToken | None = None
        self._failed_exchange: tuple[LabelStudioError, float] | None = None
        if self.url:
            try:
                origin(self.url)
            except ValueError as error:
                raise SettingsError(
                    f"LABEL_STUDIO_URL {redact_url(self.url)!r} cannot be used: {error}."
                ) from None  # since the error below it may quote a password

    @property
    def shown_url(self) -> str:
        """The server's URL for messages, without a login."""
        return redact_url(self.url or "")

    def update_from_setup(self, hostname: object, access_token: object) -> bool:
        """Note what Label Studio says of itself in /setup; True if `api_key` is another one now.

        The name never becomes an address that we request; the token is used only if none is
        configured, for the configured URL alone.
        """
        before = self.api_key
        self.introduction.note(hostname, access_token)
        return self.api_key != before

    @property
    def api_key(self) -> str | None:
        return self._configured_key or self.introduction.token

    @property
    def is_key_configured(self) -> bool:
        """Whether the key is of our own settings, and not of a /setup."""
        return self._configured_key is not None

    @property
    def key_kind(self) -> str:
        """A key of TOKEN_KINDS."""
        return token_kind(self.api_key)

    @property
    def key_remedy(self) -> str:
        """What to do about a refused key, without a full stop."""
        is_sent = self.api_key is not None and not self.is_key_configured
        return REMEDIES["sent" if is_sent else self.key_kind]

    def is_own(self, url: str) -> bool:
        """Whether a URL belongs to this server, so that the token may be sent there."""
        return self.url is not None and may_share_credentials(self.url, url)

    def is_image_path(self, path: str) -> bool:
        """Whether images are served under a path of this server."""
        return is_image_path(path, self.url, self.introduction.hostname)

    def is_image_url(self, url: str) -> bool:
        """Whether a URL is of an image that this server serves: there the token may go."""
        return self.is_own(url) and self.is_image_path(urlsplit(url).path)

    def url_of(self, path: str) -> str:
        """The URL of a path of this server, such as `/api/version`.

        A path that already begins with the server's sub-path, as in task data, keeps it once.
        Raises LabelStudioError if the server's address is not known.
        """
        if not self.url:
            raise LabelStudioError(
                f"{path.split('?')[0]} is a path of Label Studio, whose address is not known: set "
                "LABEL_STUDIO_URL."
            )
        sub_path = urlsplit(self.url).path
        if sub_path and path.startswith(sub_path + "/"):
            path = path.removeprefix(sub_path)
        return self.url + "/" + path.lstrip("/")

    def to_reachable_url(self, url: str) -> str:
        """The URL with Label Studio's public host name replaced by the address that we can reach.

        In Docker, task data contains `http://localhost:8080/data/…`, while this process must
        request `http://label-studio:8080/data/…`.
        """
        name = self.introduction.hostname
        if name and self.url and url.startswith(name + "/") and not self.is_own(url):
            return self.url + url.removeprefix(name)
        return url

    def headers_for(self, url: str) -> dict[str, str]:
        """The Authorization header for a GET of this URL; empty for other servers."""
        if not self.api_key or not self.is_own(url):
            return {}
        kind = self.key_kind
        if kind == "refresh":
            return {"Authorization": f"Bearer {self._current_token()}"}
        scheme = "Bearer" if kind == "access" else "Token"
        return {"Authorization": f"{scheme} {self.api_key}"}

    def discard_refused_token(self, headers: Mapping[str, str]) -> bool:
        """Drop the access token that got a 401 with these headers; whether a retry can help."""
        with self._exchange_lock:
            if (
                self._cached_token
                and headers.get("Authorization") == f"Bearer {self._cached_token.text}"
            ):
                self._cached_token = None
        return self.key_kind == "refresh" and bool(headers)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> bytes:
        """Body of a GET of a path of this server. Raises LabelStudioError."""
        return self._request("GET", path, params=params).content

    def get_json(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return parse_json(self._request("GET", path, params=params))

    def post_json(self, path: str, body: Any) -> Any:
        """JSON of the answer to a POST of `body`, which may hold NumPy arrays.

        Raises LabelStudioError; after `Unavailable` it is not known whether it was done.
        """
        data = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        return parse_json(self._request("POST", path, data=data))

    def patch(self, path: str, changes: Mapping[str, Any]) -> None:
        """Change fields of what lies at a path. Raises LabelStudioError."""
        self._request("PATCH", path, json=changes)

    def get_public_json(self, path: str) -> Any:
        """JSON of a path that wants no token, so that a refused one does not hide the answer."""
        return parse_json(self._send("GET", path, {}))

    def _current_token(self) -> str:
        with self._exchange_lock:
            now_s = self._clock()
            if self._failed_exchange and now_s < self._failed_exchange[1]:
                error, _ = self._failed_exchange
                raise type(error)(str(error))
            if self._cached_token is None or now_s >= self._cached_token.renew_at_s:
                try:
                    self._cached_token = self._exchange()
                except LabelStudioError as error:
                    self._failed_exchange = error, self._clock() + FAILURE_CACHE_S
                    raise
            return self._cached_token.text

    def _exchange(self) -> AccessToken:
        response = self._send("POST", "/api/token/refresh/", {}, json={"refresh": self.api_key})
        answer = parse_json(response)
        if not (isinstance(answer, dict) and isinstance(answer.get("access"), str)):
            raise LabelStudioError(
                f"{self.shown_url} gives no access token for the personal one: is LABEL_STUDIO_URL "
                "the address of a Label Studio?"
            )
        return AccessToken.issued_at(answer["access"], self._clock())

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = self.headers_for(self.url_of(path))
        try:
            return self._send(method, path, headers, **options)
        except Unauthorized:
            if not self.discard_refused_token(headers):
                raise
        return self._send(method, path, self.headers_for(self.url_of(path)), **options)

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], **options: Any
    ) -> requests.Response:
        url = self.url_of(path)
        if "data" in options:
            headers = {**headers, "Content-Type": "application/json"}
        try:
            with TimedSession() as session, Deadline(self.total_s) as deadline:
                response = session.request(
                    method, url, headers=headers, auth=keep_headers, timeout=self.timeout_s,
                    allow_redirects=False, **options,
                )  # fmt: skip
                if deadline.is_over:  # which ends an answer of no stated length, too
                    raise requests.Timeout
        except (requests.RequestException, ValueError) as error:  # ValueError: invalid Location
            raise Unavailable(
                f"Label Studio does not answer at {self.shown_url} ({type(error).__name__}): start "
                "it, or set LABEL_STUDIO_URL to where this machine reaches it."
            ) from error
        if response.status_code == 401:
            if self.api_key is None:
                raise Unauthorized(f"Label Studio wants a token, and {REMEDIES['none']}.")
            raise Unauthorized(
                f"Label Studio refuses the {TOKEN_KINDS[self.key_kind]} "
                f"({error_detail(response)}): {self.key_remedy}."
            )
        if response.is_redirect:
            raise LabelStudioError(
                f"{redact_url(url)} sends us on to {redact_url(response.headers['location'])}: set "
                "LABEL_STUDIO_URL to the address that answers itself."
            )
        if not response.ok:
            raise error_of_status(method, urlsplit(url).path, response)
        return response


def keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Pass as `auth`: stops `requests` from replacing our Authorization by one of ~/.netrc."""
    return request

"""The Label Studio that this backend serves: its address, its token, its API."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from backend.errors import LabelStudioError, SettingsError
from backend.images.ssrf import is_same_site, origin
from backend.label_studio.tokens import CURES, AccessToken, token_kind

REFUSAL_KEPT_S = 5.0  # how long a failed exchange answers for the next ones: a batch asks it often


class LabelStudio:
    """One Label Studio server. Safe to share between threads."""

    def __init__(
        self,
        url: str | None,
        api_key: str | None = None,
        *,
        timeout_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`url` may have a path (Label Studio under a sub-path). Raises SettingsError."""
        self.url = (url or "").strip().rstrip("/") or None
        self._given_key = (api_key or "").strip() or None
        self.timeout_s = timeout_s
        self._setup_hostname: str | None = None
        self._setup_token: str | None = None
        self._clock = clock
        self._exchange_lock = threading.Lock()
        self._access: AccessToken | None = None
        self._refusal: tuple[str, float] | None = None
        if self.url:
            try:
                origin(self.url)
            except ValueError as error:
                raise SettingsError(
                    f"LABEL_STUDIO_URL {self.url!r} cannot be used: {error}."
                ) from error

    def learn_from_setup(self, hostname: object, access_token: object) -> None:
        """Take what Label Studio says of itself in /setup: the name it goes by, and a token.

        Anyone who reaches our port can send a /setup. So the name never becomes an address that we
        ask, and the token is only used when we were given none; it goes to our own server alone.
        """
        if isinstance(hostname, str):
            self._setup_hostname = hostname.strip().rstrip("/") or None
        if isinstance(access_token, str):
            self._setup_token = access_token.strip() or None

    @property
    def api_key(self) -> str | None:
        return self._given_key or self._setup_token

    @property
    def key_kind(self) -> str:
        return token_kind(self.api_key)

    def is_own(self, url: str) -> bool:
        """Whether a URL belongs to this server: only there may its token go."""
        return self.url is not None and is_same_site(self.url, url)

    def url_of(self, path: str) -> str:
        """A path of this server, such as `/api/version`, as a URL.

        A path that already has the server's sub-path (task data has it) does not get it twice.
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

    def as_reached(self, url: str) -> str:
        """A URL under the name that Label Studio goes by, at the address where we reach it.

        In Docker, task data says `http://localhost:8080/data/…`, while we must ask
        `http://label-studio:8080/data/…`.
        """
        name = self._setup_hostname
        if name and self.url and url.startswith(name + "/") and not self.is_own(url):
            return self.url + url.removeprefix(name)
        return url

    def headers_for(self, url: str) -> dict[str, str]:
        """The Authorization that a GET of this URL should carry: none for other servers."""
        if not self.api_key or not self.is_own(url):
            return {}
        kind = self.key_kind
        if kind == "refresh":
            return {"Authorization": f"Bearer {self._access_token()}"}
        scheme = "Bearer" if kind == "access" else "Token"
        return {"Authorization": f"{scheme} {self.api_key}"}

    def renew(self, refused: Mapping[str, str]) -> bool:
        """After a 401 for these headers: drop the access token; whether asking again can help."""
        with self._exchange_lock:
            if self._access and refused.get("Authorization") == f"Bearer {self._access.text}":
                self._access = None
        return self.key_kind == "refresh" and bool(refused)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> bytes:
        """GET a path of this server. Raises LabelStudioError."""
        return self._request("GET", path, params=params).content

    def get_json(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return _json(self._request("GET", path, params=params))

    def _access_token(self) -> str:
        with self._exchange_lock:
            now_s = self._clock()
            if self._refusal and now_s < self._refusal[1]:
                raise LabelStudioError(self._refusal[0])
            if self._access is None or now_s >= self._access.renew_at_s:
                try:
                    self._access = self._exchange()
                except LabelStudioError as error:
                    self._refusal = str(error), self._clock() + REFUSAL_KEPT_S
                    raise
            return self._access.text

    def _exchange(self) -> AccessToken:
        response = self._send("POST", "/api/token/refresh/", {}, json={"refresh": self.api_key})
        answer = _json(response)
        if not (isinstance(answer, dict) and isinstance(answer.get("access"), str)):
            raise LabelStudioError(
                f"{self.url} gives no access token for the personal one: is LABEL_STUDIO_URL the "
                "address of a Label Studio?"
            )
        return AccessToken.fresh(answer["access"], self._clock())

    def _request(self, method: str, path: str, **what: Any) -> requests.Response:
        headers = self.headers_for(self.url_of(path))
        try:
            return self._send(method, path, headers, **what)
        except Unauthorized:
            if not self.renew(headers):
                raise
        return self._send(method, path, self.headers_for(self.url_of(path)), **what)

    def _send(self, method: str, path: str, headers: dict, **what: Any) -> requests.Response:
        url = self.url_of(path)
        try:
            response = requests.request(
                method, url, headers=headers, auth=keep_headers, timeout=self.timeout_s,
                allow_redirects=False, **what,
            )  # fmt: skip
        except (requests.RequestException, ValueError) as error:  # or a Location that is none
            raise LabelStudioError(
                f"Label Studio does not answer at {self.url} ({type(error).__name__}): start it, "
                "or set LABEL_STUDIO_URL to where this machine reaches it."
            ) from error
        if response.status_code == 401:
            raise Unauthorized(
                f"Label Studio refuses the token ({_detail(response)}): {CURES[self.key_kind]}."
            )
        if response.is_redirect:
            raise LabelStudioError(
                f"{url} sends us on to {response.headers['location'][:200]}: set LABEL_STUDIO_URL "
                "to the address that answers itself."
            )
        if not response.ok:
            raise LabelStudioError(
                f"Label Studio answers {method} {urlsplit(url).path} with {response.status_code} "
                f"({_detail(response)}): "
                + ("is LABEL_STUDIO_URL right?" if response.status_code == 404 else "see its log.")
            )
        return response


class Unauthorized(LabelStudioError):
    """Label Studio answered 401."""


def keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """As `auth`: keeps requests from putting a password of ~/.netrc over our Authorization."""
    return request


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise LabelStudioError(
            f"{response.url.split('?')[0]} answers {response.content[:40]!r}, not JSON: is "
            "LABEL_STUDIO_URL the address of a Label Studio?"
        ) from error


def _detail(response: requests.Response) -> str:
    """Label Studio's own words for a refusal, at most 200 letters."""
    try:
        answer = response.json()
        return str(answer.get("validation_errors") or answer["detail"])[:200]
    except (ValueError, KeyError, AttributeError):
        return response.reason or "no reason given"

"""Downloads an image from a URL in task data, with limits on bytes, time, redirects and hosts.

Each redirect is followed here, since each target is checked anew: whether its host is allowed, and
which credentials it may receive.
"""

from http.cookiejar import DefaultCookiePolicy
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError

from backend.errors import ImageBroken, ImageForbidden, ImageNotFound, ImageTooLarge
from backend.images.host_places import HostPlaces
from backend.images.refusals import (
    NO_IMAGE_PATH_REMEDY,
    OWN_UNREACHABLE_REMEDY,
    UNREACHABLE_REMEDY,
    refusal,
)
from backend.images.ssrf import PublicOnlyAdapter, check_host, is_allowed_host
from backend.label_studio.client import LabelStudio, keep_headers
from backend.label_studio.url_origin import may_share_credentials, origin
from backend.redaction import redact_url
from backend.timed_http import MIN_TIMEOUT_S, Deadline, TimedAdapter, TimedSession

MAX_REQUESTS = 6  # for one image: the first and five redirects
CHUNK_BYTES = 1 << 16
HOST_WAIT_SHARE = 1 / 6  # of the time for a download: 5 s by default, after which a host is slow


class EncodedImage(NamedTuple):
    data: bytes
    content_type: str  # as the server claims; "" for a file


class Downloader:
    """Downloads images. Safe between threads."""

    def __init__(
        self,
        label_studio: LabelStudio,
        *,
        max_bytes: int,
        timeout_s: float,
        allowed_hosts: tuple[str, ...] = (),
        per_host: int = 6,
    ) -> None:
        self.label_studio = label_studio
        self.max_bytes = max_bytes
        self.timeout_s = timeout_s
        self.allowed_hosts = allowed_hosts
        self.hosts = HostPlaces(per_host, timeout_s * HOST_WAIT_SHARE)
        self._any_host_session = _Session()
        self._public_host_session = _Session(PublicOnlyAdapter)

    def get(self, url: str, basic_auth: tuple[str, str] | None = None) -> EncodedImage:
        """Body and content type of an http(s) URL; `basic_auth` is sent to its origin alone.

        Raises ImageNotFound, ImageForbidden, ImageTooLarge, ImageBroken for an invalid URL, or
        Overloaded for a host that is slow.
        """
        with Deadline(self.timeout_s) as deadline:
            return self._get(normalize_url(url), basic_auth, deadline)

    def _get(
        self, first_url: str, basic_auth: tuple[str, str] | None, deadline: Deadline
    ) -> EncodedImage:
        url = first_url
        for _ in range(MAX_REQUESTS):
            basic = basic_auth if may_share_credentials(first_url, url) else None
            _, host, _ = origin(url)
            with (
                self.hosts.place(host),
                self._send_authorized(url, basic, deadline) as response,
            ):
                if not response.is_redirect:
                    self._check_status(url, response)
                    return self._read(url, response, deadline)
            target = response.headers["location"].encode("latin-1").decode(errors="replace")
            url = normalize_url(target, base=url)
            if urlsplit(url).path.endswith("/user/login/") and self.label_studio.is_own(url):
                if not self.label_studio.is_image_url(first_url):
                    raise ImageForbidden(f"{redact_url(first_url)}: {NO_IMAGE_PATH_REMEDY}.")
                raise ImageForbidden(
                    f"Label Studio asks for a login: {self.label_studio.key_remedy}."
                )
        raise ImageNotFound(
            f"{redact_url(first_url)} sends us on and on: after {MAX_REQUESTS} hops we give up."
        )

    def _send_authorized(
        self, url: str, basic: tuple[str, str] | None, deadline: Deadline
    ) -> requests.Response:
        """Send one GET with the credentials that this URL may receive."""
        is_own, is_image = self.label_studio.is_own(url), self.label_studio.is_image_url(url)
        _, host, port = origin(url)
        session = self._any_host_session
        if not is_own and not is_allowed_host(host, port, self.allowed_hosts):
            check_host(host, port)
            session = self._public_host_session
        headers = self.label_studio.headers_for(url) if is_image else {}
        unreachable = OWN_UNREACHABLE_REMEDY if is_own else UNREACHABLE_REMEDY
        response = _send(session, url, headers, basic, deadline, unreachable)
        if (
            is_image
            and response.status_code == 401
            and self.label_studio.discard_refused_token(headers)
        ):
            response.close()
            headers = self.label_studio.headers_for(url)
            response = _send(session, url, headers, basic, deadline, unreachable)
        return response

    def _check_status(self, url: str, response: requests.Response) -> None:
        if response.status_code == 200:
            return
        raise refusal(url, response, self.label_studio)

    def _read(self, url: str, response: requests.Response, deadline: Deadline) -> EncodedImage:
        """The body; raises as soon as it exceeds the limit of bytes or time."""
        content_length = response.headers.get("content-length", "")
        self._check_size(url, int(content_length[:20]) if content_length.isdecimal() else 0)
        chunks, size = [], 0
        try:
            for chunk in response.iter_content(CHUNK_BYTES):
                chunks.append(chunk)
                size += len(chunk)
                self._check_size(url, size)
                _check_deadline(url, deadline)
        except (requests.RequestException, HTTPError) as error:
            _check_deadline(url, deadline)
            raise ImageNotFound(
                f"{redact_url(url)} broke off after {size} bytes ({type(error).__name__}): ask "
                "again, and check that host if it stays so."
            ) from error
        _check_deadline(url, deadline)  # which ends a body of no stated length, too
        return EncodedImage(b"".join(chunks), response.headers.get("content-type", ""))

    def _check_size(self, url: str, size_bytes: int) -> None:
        if size_bytes > self.max_bytes:
            raise too_large(redact_url(url), self.max_bytes)


def too_large(name: str, max_bytes: int) -> ImageTooLarge:
    return ImageTooLarge(
        f"{name} has more than {max_bytes / 2**20:g} MB: shrink it, or raise IMAGE_MAX_MB."
    )


class _Session(TimedSession):
    """A session that keeps connections but no cookies, so that threads can share it."""

    def __init__(self, adapter: type[TimedAdapter] = TimedAdapter) -> None:
        super().__init__(adapter)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get_redirect_target(self, _resp: requests.Response) -> None:
        """Always None. With a target, requests would read the redirect's body without a limit."""


def normalize_url(url: str, base: str = "") -> str:
    """The absolute URL as `requests` will send it, so that the checked URL is the requested one.

    Raises ImageBroken for anything but an http(s) URL.
    """
    try:
        ready = requests.Request("GET", urljoin(base, url.strip())).prepare().url or ""
        origin(ready)
    except (requests.RequestException, ValueError) as error:  # whose texts quote parts of the URL
        raise ImageBroken(
            f"{redact_url(url)!r} is no URL that can be asked: it must start with http:// or "
            "https:// and name a host, the special characters of a login percent-encoded."
        ) from error
    return ready


def _send(
    session: requests.Session,
    url: str,
    headers: dict[str, str],
    basic: tuple[str, str] | None,
    deadline: Deadline,
    unreachable_remedy: str,
) -> requests.Response:
    user, password = basic or requests.utils.get_auth_from_url(url)
    has_login = bool(user or password) and not headers
    auth = HTTPBasicAuth(user.encode(), password.encode()) if has_login else keep_headers
    _check_deadline(url, deadline)
    try:
        return session.get(
            url,
            headers=headers | {"Accept-Encoding": "identity"},
            auth=auth,
            timeout=max(deadline.left_s, MIN_TIMEOUT_S),
            allow_redirects=False,
            stream=True,
        )
    except requests.Timeout as error:
        raise _timed_out(url) from error
    except (requests.RequestException, HTTPError, ValueError) as error:  # some of urllib3's pass
        _check_deadline(url, deadline)
        raise ImageNotFound(
            f"{redact_url(url)} cannot be reached ({type(error).__name__}): {unreachable_remedy}."
        ) from error


def _check_deadline(url: str, deadline: Deadline) -> None:
    if deadline.is_over:
        raise _timed_out(url)


def _timed_out(url: str) -> ImageNotFound:
    return ImageNotFound(
        f"{redact_url(url)} takes too long: check that host, or raise IMAGE_TIMEOUT_S."
    )

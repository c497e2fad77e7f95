"""Loads an image by any form of URI that Label Studio stores in task data.

This module finds the source of the bytes; `download` fetches http(s) URLs and `decode` makes pixels
of them.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from backend.errors import (
    ImageBroken,
    ImageForbidden,
    ImageNotFound,
    LabelStudioError,
    SettingsError,
)
from backend.images.data_uri import read_data_uri
from backend.images.decode import DecodeLimits, decode_image
from backend.images.download import (
    Downloader,
    EncodedImage,
    normalize_url,
    too_large,
)
from backend.images.memory_budget import MemoryBudget
from backend.images.refusals import UnexpectedStatus, is_local_files
from backend.label_studio.client import LabelStudio
from backend.redaction import redact_url
from backend.timed_http import left_s

SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
FILE_URI_PREFIX = re.compile(r"^file:(//[^/]*)?", re.IGNORECASE)
INVALID_IN_URI = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")  # JSON can contain them
UPLOAD_PATH = re.compile(r"(?P<prefix>.*)/data/(?P<file>upload/.+)")


class ImageRequest(NamedTuple):
    uri: str
    task_id: int | None
    auth: tuple[str, str] | None


@dataclass(frozen=True)
class ImageConfig:
    max_bytes: int = 200 * 2**20  # IMAGE_MAX_MB, of one file
    max_pixels: int = 200_000_000  # IMAGE_MAX_MPX, of one image: 600 MB as RGB
    max_memory_bytes: int = 4096 * 2**20  # IMAGE_MEMORY_MB, of all images at the same time
    timeout_s: float = 30.0  # IMAGE_TIMEOUT_S, for the whole download
    local_root: Path | None = None  # LOCAL_FILES_DOCUMENT_ROOT; no file outside it is read
    allowed_hosts: tuple[str, ...] = ()  # IMAGE_HOSTS_ALLOWED, private hosts to download from
    per_host: int = 6  # downloads from one host at the same time

    def __post_init__(self) -> None:
        if self.local_root is not None and self.local_root.resolve() == Path("/"):
            raise SettingsError(
                "LOCAL_FILES_DOCUMENT_ROOT=/ would let a task read any file of this machine: name "
                "the folder that holds the images."
            )


class ImageLoader:
    """URI -> RGB array. Safe between threads."""

    def __init__(self, config: ImageConfig, label_studio: LabelStudio) -> None:
        self.config = config
        self.label_studio = label_studio
        self.memory = MemoryBudget(config.max_memory_bytes)
        self.download = Downloader(
            label_studio,
            max_bytes=config.max_bytes,
            timeout_s=config.timeout_s,
            allowed_hosts=config.allowed_hosts,
            per_host=config.per_host,
        )

    def __call__(
        self, uri: str, *, task_id: int | None = None, auth: tuple[str, str] | None = None
    ) -> NDArray[np.uint8]:
        """RGB uint8 (H, W, 3), upright.

        Raises ImageError, or Overloaded if no memory is free or its host is slow.
        `task_id` is needed for URIs of cloud storage, which Label Studio resolves per task. `auth`:
        user and password of the project's task data.
        """
        data, content_type = self.fetch_bytes(uri, task_id=task_id, auth=auth)
        return decode_image(data, self.decode_limits(), content_type=content_type)

    def decode_limits(self) -> DecodeLimits:
        """Of an image that is decoded now, in the memory that all images share."""
        return DecodeLimits(self.config.max_pixels, self.memory, left_s(self.config.timeout_s))

    def fetch_bytes(
        self, uri: str, *, task_id: int | None = None, auth: tuple[str, str] | None = None
    ) -> EncodedImage:
        """The undecoded image behind a URI."""
        if not isinstance(uri, str) or not uri.strip():
            raise ImageNotFound(
                f"The task names no image but a {type(uri).__name__}: it needs a URL or a path."
            )
        uri = uri.strip()
        found = SCHEME.match(uri)
        scheme = found[1].lower() if found else ""
        if scheme not in FETCHERS or INVALID_IN_URI.search(uri):
            raise ImageBroken(
                f"{redact_url(uri)!r} cannot be fetched: it must be a path, or start with one of "
                f"{', '.join(name + ':' for name in FETCHERS if name)}."
            )
        try:
            return FETCHERS[scheme](self, ImageRequest(uri, task_id, auth))
        except LabelStudioError as error:  # no address, no answer, or no token that it takes
            raise ImageForbidden(str(error)) from error

    def _fetch_http(self, request: ImageRequest) -> EncodedImage:
        url = normalize_url(request.uri)
        reachable = self.label_studio.to_reachable_url(url)
        if self.label_studio.is_image_url(reachable):
            return self._fetch_label_studio(reachable, request)
        return self.download.get(url, request.auth)

    def _fetch_cloud(self, request: ImageRequest) -> EncodedImage:
        if request.task_id is None:
            raise ImageNotFound(
                f"{redact_url(request.uri)!r} lies in a cloud storage, which Label Studio opens "
                "for a task only, and this one has no id: import it into a project with it."
            )
        encoded_uri = base64.urlsafe_b64encode(request.uri.encode()).decode()
        path = f"/tasks/{request.task_id}/presign/?fileuri={encoded_uri}"
        try:
            return self.download.get(self.label_studio.url_of(path), request.auth)
        except UnexpectedStatus as error:
            raise ImageNotFound(
                f"Label Studio cannot open {redact_url(request.uri)!r}: {error} Its bucket must be "
                "connected to the project under Settings > Cloud Storage, and the file be there."
            ) from error

    def _fetch_data_uri(self, request: ImageRequest) -> EncodedImage:
        return read_data_uri(request.uri, self.config.max_bytes)

    def _fetch_file_uri(self, request: ImageRequest) -> EncodedImage:
        path = FILE_URI_PREFIX.sub("", request.uri)
        return self._fetch_path(request._replace(uri="/" + unquote(path).lstrip("/")))

    def _fetch_path(self, request: ImageRequest) -> EncodedImage:
        """For a URI without scheme: a file below the local root, or a path of Label Studio."""
        uri = request.uri
        if uri.startswith("//"):  # a URL with the scheme of the page around it
            scheme = urlsplit(self.label_studio.url or "https:").scheme
            return self._fetch_http(request._replace(uri=f"{scheme}:{uri}"))
        file = self._path_below_root(uri)
        if file and is_regular_file(file):
            return self._read_file(file)
        path = "/" + uri.lstrip("/")
        path = "/data" + path if path.startswith("/upload/") else path
        asked = urlsplit(path).path
        if self.label_studio.is_image_path(asked) or is_local_files(asked):
            return self._fetch_label_studio(normalize_url(self.label_studio.url_of(path)), request)
        if file:
            raise ImageNotFound(
                f"There is no file {redact_url(uri)!r} below LOCAL_FILES_DOCUMENT_ROOT."
            )
        raise ImageForbidden(
            f"{redact_url(uri)!r} is a path on some disk, and only files below "
            f"LOCAL_FILES_DOCUMENT_ROOT ({self.config.local_root or 'not set'}) are read: set it "
            "to the folder that holds the images, or import them into Label Studio."
        )

    def _fetch_label_studio(self, url: str, request: ImageRequest) -> EncodedImage:
        """For a URL of Label Studio: its local files are read from this machine's disk if there."""
        parts = urlsplit(url)
        if is_local_files(parts.path):
            # As in Label Studio's own view: decoded once, the last value counts, always relative.
            named = parse_qs(parts.query).get("d", [""])[-1]
            file = self._path_below_root(named.lstrip("/"))
            if file and is_regular_file(file):
                return self._read_file(file)
        try:
            return self.download.get(url, request.auth)
        except UnexpectedStatus as error:
            upload = UPLOAD_PATH.fullmatch(parts.path)
            if not upload:
                raise
            # Installations with uploads in a cloud storage serve them under another path.
            storage_path = upload["prefix"] + "/storage-data/uploaded/"
            query = "filepath=" + quote(unquote(upload["file"]))
            try:
                return self.download.get(
                    parts._replace(path=storage_path, query=query).geturl(), request.auth
                )
            except (UnexpectedStatus, ImageForbidden):
                raise error from None

    def _path_below_root(self, path: str) -> Path | None:
        """The resolved path, links followed, if it is below the local root; else None."""
        if self.config.local_root is None:
            return None
        try:
            root = self.config.local_root.resolve()
            file = (root / path).resolve()
        except (OSError, RuntimeError, ValueError):  # links in a circle, impossible names
            return None
        return file if file.is_relative_to(root) else None

    def _read_file(self, file: Path) -> EncodedImage:
        try:
            with file.open("rb") as stream:
                data = stream.read(self.config.max_bytes + 1)
        except OSError as error:
            raise ImageForbidden(
                f"{file} cannot be read ({error.strerror}): let the user that runs us read it."
            ) from error
        if len(data) > self.config.max_bytes:
            raise too_large(str(file), self.config.max_bytes)
        return EncodedImage(data, "")


FETCHERS: dict[str, Callable[[ImageLoader, ImageRequest], EncodedImage]] = {
    "": ImageLoader._fetch_path,
    "http": ImageLoader._fetch_http,
    "https": ImageLoader._fetch_http,
    "data": ImageLoader._fetch_data_uri,
    "s3": ImageLoader._fetch_cloud,
    "gs": ImageLoader._fetch_cloud,
    "azure-blob": ImageLoader._fetch_cloud,
    "file": ImageLoader._fetch_file_uri,
}


def is_regular_file(file: Path) -> bool:
    """False for folders, pipes and devices, whose reads could block forever."""
    try:
        return file.is_file()
    except (OSError, ValueError):
        return False

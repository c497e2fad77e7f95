"""Photos of the playground: in memory alone, for a quarter of an hour, by a name nobody guesses."""

import secrets
import threading
from dataclasses import dataclass, field

import numpy as np
from cachetools import LRUCache, TTLCache
from numpy.typing import NDArray

from backend.errors import ImageNotFound, ImageTooLarge
from backend.http.passing_on import kept_name
from model import DenseFeatures

MAX_BYTES = 256 * 2**20  # of all photos, as RGB
KEPT_S = 900.0  # after it was dropped
MAX_FEATURES = 4  # of one photo: of the methods that were tried last


class PhotoGone(ImageNotFound):
    code = "photo_gone"
    http_status = 404


@dataclass(frozen=True)
class Photo:
    """Safe between threads: the page asks for two methods at once."""

    image: NDArray[np.uint8]  # RGB (H, W, 3)
    _features: LRUCache[str, DenseFeatures] = field(default_factory=lambda: LRUCache(MAX_FEATURES))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def features(self, key: str) -> DenseFeatures | None:
        with self._lock:
            return self._features.get(key)

    def keep_features(self, key: str, features: DenseFeatures) -> None:
        with self._lock:
            self._features[key] = features


class PhotoShelf:
    """Safe between threads."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._photos: TTLCache[str, Photo] = TTLCache(
            max_bytes, KEPT_S, getsizeof=lambda photo: photo.image.nbytes
        )
        self._lock = threading.Lock()

    def add(self, image: NDArray[np.uint8]) -> str:
        """The name to ask for it by. Raises ImageTooLarge for one that does not fit."""
        if image.nbytes > self._photos.maxsize:
            raise ImageTooLarge(
                f"The photo has {image.shape[1]} x {image.shape[0]} pixels; the playground takes "
                f"{self._photos.maxsize / 3e6:.0f} million: shrink it. Predictions for Label "
                "Studio take larger ones (IMAGE_MAX_MPX)."
            )
        name = kept_name(secrets.token_urlsafe(16))
        with self._lock:
            self._photos[name] = Photo(image)
        return name

    def __getitem__(self, name: str) -> Photo:
        """Raises PhotoGone for one that is not kept any more."""
        with self._lock:
            photo = self._photos.get(name)
        if photo is None:
            raise PhotoGone("The photo is not kept any more: send it again.")
        return photo

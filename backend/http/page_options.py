"""What the playground offers to choose from."""

from typing import Any

from backend.http.photo_shelf import MAX_BYTES
from backend.sample_photos.photos import SAMPLE_PHOTOS
from backend.service import Service
from model import METHODS, REFINERS


def page_options(service: Service) -> dict[str, Any]:
    settings = service.settings
    method = METHODS.get(settings.method)
    return {
        "methods": list(METHODS),
        "method": settings.method,
        "refiners": list(REFINERS),
        "refiner": settings.refiner or (method.decision.refiner if method else ""),
        "max_photo_mb": settings.image_max_mb,
        "max_photo_mpx": min(settings.image_max_mpx, MAX_BYTES // 3_000_000),
        "samples": [
            {"name": one.name, "alt": one.alt, "labels": one.labels, "author": one.author}
            for one in SAMPLE_PHOTOS
        ],
    }

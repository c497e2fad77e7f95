"""A service that segments nothing for a while."""

from collections.abc import Callable

from backend.service import Service


def take_model(service: Service) -> Callable[[], None]:
    """Take all places for segmentation. The first call of what it returns gives them back."""
    slots, n_taken = service.annotator.painter.segment_slots, service.concurrency.segmentations
    for _ in range(n_taken):
        assert slots.acquire(60)
    left = [slots.release] * n_taken

    def release() -> None:
        while left:
            left.pop()()

    return release

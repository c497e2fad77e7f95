"""How much runs at the same time: every limit of the service, in one place."""

from dataclasses import dataclass

from backend.settings import Settings


@dataclass(frozen=True)
class Concurrency:
    """Of one worker process. What depends on the device is known when the model is loaded."""

    requests: int  # threads of the server
    predictions: int  # /predict requests among them: the others answer /health, /setup, webhooks
    batch_images: int  # in the image encoder at once
    batch_wait_s: float  # that a batch stays open for more images
    tasks_a_request: int  # one loads its image while another is in the model
    waiting_images: int = 256  # in line for the image encoder, beyond which requests are refused
    segmentations: int = 1  # refining takes memory by classes and pixels, and all cores

    @classmethod
    def of(cls, settings: Settings, *, is_gpu: bool = False) -> "Concurrency":
        # A GPU encodes eight images in little more time than one; a CPU one after the other.
        batch_images = settings.batch_images or (8 if is_gpu else 1)
        return cls(
            requests=settings.threads,
            predictions=max(settings.threads * 2 // 3, 1),
            batch_images=batch_images,
            batch_wait_s=settings.batch_wait_ms / 1000 if is_gpu else 0.0,
            tasks_a_request=2 * batch_images,
        )

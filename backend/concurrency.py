"""All limits on what runs at the same time in one worker process."""

from dataclasses import dataclass

from backend.settings import Settings


@dataclass(frozen=True)
class Concurrency:
    """Batch sizes depend on the device, which is known once the model is loaded."""

    requests: int  # threads of the server
    predictions: int  # /predict requests among them; the others answer /health, /setup, webhooks
    max_batch_images: int  # in the image encoder at once
    batch_wait_s: float  # for more images to join a batch
    parallel_tasks: int  # of one request; one loads its image while another is in the model
    max_waiting_images: int = 256  # queued for the image encoder; more are refused
    segmentations: int = 1  # refinement uses all cores, and memory for each class and pixel

    @classmethod
    def of(cls, settings: Settings, *, is_gpu: bool = False) -> "Concurrency":
        # A GPU encodes eight images in little more time than one; a CPU one after the other.
        batch_images = settings.batch_images or (8 if is_gpu else 1)
        return cls(
            requests=settings.threads,
            predictions=max(settings.threads * 2 // 3, 1),
            max_batch_images=batch_images,
            batch_wait_s=settings.batch_wait_ms / 1000 if is_gpu else 0.0,
            parallel_tasks=2 * batch_images,
        )

"""Loads a page of a task: its image and the image's dense features."""

import hashlib
from dataclasses import dataclass
from typing import Any

from backend.images.loader import ImageLoader
from backend.metrics import Metrics
from backend.prediction.batcher import IN_TURN, Batcher
from backend.prediction.feature_cache import FeatureCache, Page
from backend.prediction.project_context import ProjectContext
from backend.timed_http import Deadline
from model import DenseFeatures, Vocabulary


@dataclass(frozen=True)
class PageLoader:
    """Used for predictions and for learning. Safe between threads."""

    load_image: ImageLoader
    encode: Batcher
    cache: FeatureCache
    metrics: Metrics

    def load(
        self,
        uri: str,
        project: ProjectContext,
        vocabulary: Vocabulary,
        *,
        task_id: Any,
        auth: tuple[str, str] | None,
        timeout_s: float,
        rank: int = IN_TURN,
    ) -> Page:
        """The image, freshly loaded, and its features; all of it within `timeout_s`.

        `rank`: whom it comes before in the line for the model.

        Raises ImageError, ModelError or Overloaded.
        """
        with self.metrics.stage("load"), Deadline(timeout_s) as deadline:
            image = self.load_image(uri, task_id=task_id, auth=auth)

        def encode() -> DenseFeatures:
            return self.encode(
                image,
                project.method,
                vocabulary,
                timeout_s=deadline.left_s,
                rank=rank,
                who=project.id,
            )

        source = source_key(project.id, task_id, uri, auth)
        key = encoding_key(project, vocabulary)
        with self.metrics.stage("encode"):
            return Page(image, self.cache.get_or_encode(source, image, key, encode))

    def recent(
        self,
        uri: str,
        project: ProjectContext,
        vocabulary: Vocabulary,
        *,
        task_id: Any,
        auth: tuple[str, str] | None,
    ) -> Page | None:
        """The page from the cache, for a click; None if image or features are not there."""
        source = source_key(project.id, task_id, uri, auth)
        return self.cache.recent_page(source, encoding_key(project, vocabulary))


def source_key(*source: Any) -> str:
    """A digest, since a data: URI may be as long as a request."""
    text = repr(source).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def encoding_key(project: ProjectContext, vocabulary: Vocabulary) -> str:
    """What the features of an image depend on beside its pixels: method, and words for some."""
    if not project.method.encoder.reads_text:
        return project.space
    return f"{project.space}-{hashlib.sha256(repr(vocabulary).encode()).hexdigest()[:16]}"

"""A page of a task: its image, and the dense features that the model sees in it."""

from dataclasses import dataclass
from typing import Any

from backend.images.loader import ImageLoader
from backend.metrics import Metrics
from backend.prediction.answers import digest
from backend.prediction.batcher import Batcher
from backend.prediction.feature_cache import FeatureCache, Page
from backend.prediction.project_context import ProjectContext
from model import DenseFeatures, Vocabulary


@dataclass(frozen=True)
class PageLoader:
    """Shared by those who predict and those who learn. Safe between threads."""

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
    ) -> Page:
        """The image as it is now, and its features. Raises ImageError, ModelError or Overloaded."""
        with self.metrics.stage("load"):
            image = self.load_image(uri, task_id=task_id, auth=auth)

        def encode() -> DenseFeatures:
            return self.encode(image, project.method, vocabulary, timeout_s=timeout_s)

        source = (project.id, task_id, uri, auth)
        key = features_key(project, vocabulary)
        with self.metrics.stage("encode"):
            return Page(image, self.cache.features(source, image, key, encode))

    def recent(
        self,
        uri: str,
        project: ProjectContext,
        vocabulary: Vocabulary,
        *,
        task_id: Any,
        auth: tuple[str, str] | None,
    ) -> Page | None:
        """The page as it was loaded lately, for a click; None when it is not at hand."""
        source = (project.id, task_id, uri, auth)
        return self.cache.page(source, features_key(project, vocabulary))


def features_key(project: ProjectContext, vocabulary: Vocabulary) -> str:
    """What features of an image depend on beside its pixels."""
    if not project.method.encodes_words:
        return project.space
    return f"{project.space}-{digest(repr(vocabulary).encode())[:16]}"

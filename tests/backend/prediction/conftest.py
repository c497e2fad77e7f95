"""A store of its own for a test, and an annotator that counts what it encodes."""

from collections.abc import Iterator

import pytest

from backend.prediction.annotator import Annotator
from backend.prediction.batcher import Batcher
from backend.prediction.feature_cache import FeatureCache
from backend.store.store import Store
from tests.support.predictions import with_pages
from tests.support.stores import open_patient_store


@pytest.fixture
def own_store(tmp_path) -> Iterator[Store]:
    store = open_patient_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def encodes(annotator, store) -> Iterator[tuple[Annotator, list[int]]]:
    """The annotator with empty caches, and a list that grows by the size of each batch."""
    sizes: list[int] = []
    batcher = Batcher(annotator.painter.segmenter.encode, on_batch=sizes.append)
    yield with_pages(annotator, encode=batcher, cache=FeatureCache(store)), sizes
    batcher.close()

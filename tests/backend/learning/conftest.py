"""A service with a store of its own, and events of annotations for its learning worker."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.learning.event_queue import EventQueue, QueueConfig
from backend.learning.worker import LearningWorker
from backend.service import Service
from backend.store.store import Store
from tests.support.annotations import EVERY_PIXEL, KEY, PROJECT, region
from tests.support.stores import open_patient_store

Event = dict[str, Any]


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    store = open_patient_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def redelivering(store, tmp_path) -> EventQueue:
    """A queue that delivers an event again at once, unless it is acknowledged."""
    return EventQueue(store, tmp_path, QueueConfig(claim_after_s=0.0))


@pytest.fixture
def service(settings, tiny_segmenter, store, redelivering, tmp_path) -> Service:
    """One with a store of its own, whose worker's thread is not started."""
    changes = {"data_dir": tmp_path, "training_wait_s": 0.0}
    service = Service(settings.model_copy(update=changes))
    service.store, service.segmenter, service.events = store, tiny_segmenter, redelivering
    service.projects.save(KEY, EVERY_PIXEL)
    return service


@pytest.fixture
def learner(service) -> LearningWorker:
    return service.learning_worker


@pytest.fixture
def send(learner) -> Callable[..., None]:
    """Queue events and process all that there are."""

    def send(*events: Event) -> None:
        for event in events:
            learner.queue.push(event)
        while learner.process_one():
            pass

    return send


@pytest.fixture
def mask(photo) -> NDArray[np.bool_]:
    """The bright disk of the photo."""
    return photo[..., 0] > 200


@pytest.fixture
def corrected(photo_uri, mask) -> Callable[..., Event]:
    """An event of an annotation that says the disk is a cat."""

    def make(annotation=1, *, second=0, action="ANNOTATION_CREATED", task=5, uri=None, **more):
        one = {
            "id": annotation,
            "result": [region("c", mask)],
            "updated_at": f"2026-01-01T00:00:{second:02d}.000001Z",
            "was_cancelled": False,
            "parent_prediction": None,
        }
        shown = {"id": task, "data": {"image": uri or photo_uri}}
        return {"action": action, "project": PROJECT, "annotation": one | more, "task": shown}

    return make

"""The masks last predicted for each image, to compare with its corrected annotation.

An annotation holds neither the regions that a person deleted nor changed ones as they were before.
Stored is one compressed label map an image, some kB, for a week; the store may evict it earlier.
"""

import contextlib
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import orjson
import redis
from numpy.typing import NDArray

from backend.errors import StoreError
from backend.store.keys import predicted_masks_key
from backend.store.store import Store, execute_pipeline
from model import Segmentation

TTL_S = 7 * 24 * 3600


@dataclass(frozen=True)
class MaskPlace:
    """Where masks of a task are: one control may be on several images, each of several pages."""

    from_name: str
    to_name: str
    page: int

    @property
    def key(self) -> str:
        """Unlike for unlike places, whatever characters the names have."""
        return json.dumps([self.from_name, self.to_name, self.page])


@dataclass(frozen=True)
class PredictedMasks:
    store: Store
    ttl_s: int = TTL_S

    def save(
        self, project: str, task: object, place: MaskPlace, segmentation: Segmentation
    ) -> None:
        """Store the label map of one place of a task; does nothing while the store is down."""
        n_classes, label_map = len(segmentation.class_names), segmentation.label_map
        dtype = np.uint8 if n_classes < 255 else np.uint16
        header = {
            "hw": label_map.shape,
            "labels": segmentation.class_names,
            "dtype": np.dtype(dtype).name,
        }
        body = zlib.compress((label_map + 1).astype(dtype).tobytes(), 1)
        value = orjson.dumps(header) + b"\n" + body
        key = predicted_masks_key(project, task)

        def write(client: redis.Redis) -> None:
            pipeline = client.pipeline(transaction=False)
            pipeline.hset(key, place.key, value)
            pipeline.expire(key, self.ttl_s)
            execute_pipeline(pipeline)

        with contextlib.suppress(StoreError):
            self.store.run("store predicted masks", write)

    def load(
        self, project: str, task: object, place: MaskPlace
    ) -> dict[str, NDArray[np.bool_]] | None:
        """Masks (H, W) bool by predicted label; None if there is no stored prediction."""
        key = predicted_masks_key(project, task)
        try:
            value = self.store.run(
                "read predicted masks", lambda client: client.hget(key, place.key)
            )
        except StoreError:
            return None
        if not isinstance(value, bytes):
            return None
        try:
            header, _, body = value.partition(b"\n")
            header = orjson.loads(header)
            label_map = np.frombuffer(zlib.decompress(body), np.dtype(header["dtype"]))
            label_map = label_map.reshape(header["hw"])
        except (ValueError, KeyError, TypeError, zlib.error):
            return None  # other data under this key
        present = np.unique(label_map)
        return {header["labels"][i - 1]: label_map == i for i in present if i > 0}

    def delete(self, project: str, tasks: Iterable[object]) -> None:
        """Delete the label maps of these tasks."""
        self.store.remove([predicted_masks_key(project, task) for task in tasks])

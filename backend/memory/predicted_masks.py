"""The masks last predicted for each image, to compare with its corrected annotation.

An annotation holds neither the regions that a person deleted nor changed ones as they were before.
Stored is one compressed label map an image, some kB, for a week; the store may evict it earlier.
"""

import contextlib
import json
import logging
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import redis
from numpy.typing import NDArray

from backend.errors import StoreError
from backend.log_once import WarnOnce
from backend.memory.agreement import ShownBy
from backend.store.keys import predicted_masks_key
from backend.store.store import Store, execute_pipeline
from model import Segmentation

TTL_S = 7 * 24 * 3600

log = logging.getLogger(__name__)


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
class PredictedPage:
    """What was shown on one page for one control."""

    masks: Mapping[str, NDArray[np.bool_]]  # (H, W) by label
    regions: Mapping[str, str]  # id -> label
    shown_by: ShownBy | None  # None, and no regions: stored by a release that did not keep it
    image_hw: tuple[int, int]  # pixels


@dataclass(frozen=True)
class PredictedMasks:
    store: Store
    ttl_s: int = TTL_S
    warn_once: WarnOnce = field(default_factory=lambda: WarnOnce(log))

    def save(
        self,
        project: str,
        task: object,
        place: MaskPlace,
        segmentation: Segmentation,
        regions: Mapping[str, str],
        shown_by: ShownBy,
    ) -> None:
        """Store the label map of one place of a task, and its regions' labels by id.

        Does nothing while the store is down.
        """
        n_classes, label_map = len(segmentation.class_names), segmentation.label_map
        dtype = np.uint8 if n_classes < 255 else np.uint16
        header = {
            "hw": label_map.shape,
            "labels": segmentation.class_names,
            "dtype": np.dtype(dtype).name,
            "regions": regions,
            "shown_by": shown_by,
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
        self, project: str, task: object, place: MaskPlace, image_hw: tuple[int, int]
    ) -> PredictedPage | None:
        """What was predicted; None if no prediction of this size is stored."""
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
            page = unpack_page(value)
        except (ValueError, LookupError, TypeError, OverflowError, zlib.error) as error:
            self.warn_once(
                f"project {project}, task {task}: the stored prediction cannot be read ({error}): "
                "its correction teaches without it."
            )
            return None
        if page.image_hw != image_hw:
            predicted, now = (f"{width} x {height}" for height, width in (page.image_hw, image_hw))
            self.warn_once(
                f"project {project}, task {task}: its image has {now} pixels, and had {predicted} "
                "when it was predicted: its correction teaches without that prediction."
            )
            return None
        return page

    def delete(self, project: str, tasks: Iterable[object]) -> None:
        """Delete the label maps of these tasks."""
        self.store.remove([predicted_masks_key(project, task) for task in tasks])


def unpack_page(value: bytes) -> PredictedPage:
    """What `save` wrote.

    Raises ValueError, LookupError, TypeError, OverflowError or zlib.error for other bytes.
    """
    head, _, body = value.partition(b"\n")
    header = orjson.loads(head)
    labels, label_map = unpack_label_map(header, body)
    image_hw = (label_map.shape[0], label_map.shape[1])
    masks = {labels[i - 1]: label_map == i for i in np.unique(label_map) if i > 0}
    if "shown_by" not in header:
        return PredictedPage(masks, {}, None, image_hw)
    regions, shown_by = dict(header["regions"]), header["shown_by"]
    names = [shown_by[name] for name in ("model_version", "lessons_version")]
    if not all(isinstance(text, str) for text in (*regions, *regions.values(), *names)):
        raise ValueError("its regions are not ours")
    return PredictedPage(masks, regions, ShownBy(*names), image_hw)


def unpack_label_map(header: dict[str, Any], body: bytes) -> tuple[list[str], NDArray[np.integer]]:
    """Labels, and a map (H, W) of 0 for none or 1 + index into them."""
    labels, dtype = header["labels"], header["dtype"]
    if dtype not in ("uint8", "uint16") or not all(isinstance(label, str) for label in labels):
        raise ValueError("its header is not one of ours")
    label_map = np.frombuffer(zlib.decompress(body), np.dtype(dtype)).reshape(header["hw"])
    if label_map.ndim != 2 or label_map.max(initial=0) > len(labels):
        raise ValueError("its labels are not all named")
    return labels, label_map

"""What predictions use of what was learnt: one frozen version, loaded once a process."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from backend.errors import StoreError
from backend.memory.lesson_index import Version
from backend.memory.lesson_store import MemoryStore, memory_key
from backend.store.store import Store
from model import Lesson, Memory

NEWEST, NONE = "newest", "none"  # what a project may want instead of a version's number
KEPT_VERSIONS = 16  # whose memory this process keeps

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Head:
    """The short of a project's index."""

    versions: tuple[tuple[str, tuple[str, ...]], ...] = ()  # names and spaces, oldest first
    changes: int = 0  # annotations that no version holds yet as they are
    annotations: int = 0  # that teach something
    spaces: Mapping[str, int] = field(default_factory=dict)  # how many of them in each

    def wanted(self, pinned: str) -> tuple[str, tuple[str, ...]]:
        """Name and spaces of the version that is asked for, or the newest; ("", ()) for none."""
        if pinned == NONE or not self.versions:
            return "", ()
        by_number = {name.split("-")[0]: (name, spaces) for name, spaces in self.versions}
        return by_number.get(pinned.split("-")[0], self.versions[-1])

    def trouble(self, pinned: str, space: str) -> str | None:
        """A sentence on what of this is not used as one would think, or None."""
        name, _ = self.wanted(pinned)
        if pinned not in (NEWEST, NONE) and name.split("-")[0] != pinned.split("-")[0]:
            kept = ", ".join(name for name, _ in self.versions) or "none"
            return (
                f"memory_version {pinned} is not kept (kept: {kept}): the newest is used. "
                'Set extra_params {"memory_version": "newest"}, or one that is kept.'
            )
        foreign = sum(count for other, count in self.spaces.items() if other != space)
        if foreign and pinned != NONE:
            return (
                f"{foreign} of {self.annotations} corrections were learnt with another checkpoint "
                "or method, and are not used now. They count again when that is set again; "
                "pressing Update on their annotations teaches them anew."
            )
        return None


@dataclass(frozen=True)
class Learnt:
    """A version as predictions of one feature space use it."""

    name: str = ""  # "" when there is nothing to use
    memories: Mapping[str, Memory] = field(default_factory=dict)  # by control


class Recall:
    """Safe between threads. Without the store: what this process saw last, or nothing."""

    def __init__(self, store: Store, memory_store: MemoryStore) -> None:
        self._store = store
        self._memory_store = memory_store
        self._heads: dict[str, Head] = {}
        self._learnt: OrderedDict[tuple[str, str, str], Learnt] = OrderedDict()
        self._loading = threading.Lock()

    def head(self, project: str) -> Head:
        """One small read."""
        (data,) = self._store.get_many([memory_key(project, "head")])
        if data is not None:
            raw = orjson.loads(data)
            raw["versions"] = tuple((name, tuple(spaces)) for name, spaces in raw["versions"])
            self._heads[project] = Head(**raw)
        elif self._store.is_up():
            self._heads.pop(project, None)
        return self._heads.get(project, Head())

    def name(self, project: str, pinned: str, space: str) -> str:
        """The version that predictions use; "" for none, or none made of these features."""
        name, spaces = self.head(project).wanted(pinned)
        return name if space in spaces else ""

    def learnt(self, project: str, pinned: str, space: str) -> Learnt:
        """The version to predict with; nothing, said in the log, when it cannot be had."""
        name = self.name(project, pinned, space)
        key = (project, name, space)
        if not name:
            return Learnt()
        with self._loading:
            if key not in self._learnt:
                try:
                    version = self._memory_store.index(project).version(name)
                    if version is None or version.name != name:
                        return Learnt()  # deleted from this instant: the next request knows
                    self._learnt[key] = self._load(project, version, space)
                except StoreError as error:
                    log.warning("project %s: what it learnt is not used: %s", project, error)
                    return Learnt()
            self._learnt.move_to_end(key)
            while len(self._learnt) > KEPT_VERSIONS:
                self._learnt.popitem(last=False)
            return self._learnt[key]

    def _load(self, project: str, version: Version, space: str) -> Learnt:
        refs = [ref for ref in version.refs if ref.space == space]
        lessons = self._memory_store.lessons(project, refs)
        of_control: dict[str, list[Lesson]] = {}
        for ref in refs:
            if ref.digest in lessons:
                of_control.setdefault(ref.control, []).append(lessons[ref.digest])
        memories = {control: Memory.of(found) for control, found in of_control.items()}
        return Learnt(version.name, memories)

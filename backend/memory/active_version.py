"""What predictions use of what was learnt: one frozen version, loaded once a process."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from cachetools import LRUCache

from backend.errors import StoreError
from backend.memory.lesson_index import Version
from backend.memory.lesson_store import LessonStore, memory_key
from backend.memory.project_head import ProjectHead, head_of
from backend.store.store import Store
from model import Lesson, Memory

KEPT_VERSIONS = 16  # whose memory this process keeps
KEPT_HEADS = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Learnt:
    """A version as predictions of one feature space use it."""

    name: str = ""  # "" when there is nothing to use
    memories: Mapping[str, Memory] = field(default_factory=dict)  # by control


class ActiveVersions:
    """Safe between threads. Without the store: what this process saw last, or nothing."""

    def __init__(self, store: Store, lessons: LessonStore) -> None:
        self._store = store
        self._lessons = lessons
        self._heads: LRUCache[str, ProjectHead] = LRUCache(KEPT_HEADS)
        self._learnt: LRUCache[tuple[str, str, str], Learnt] = LRUCache(KEPT_VERSIONS)
        self._heads_lock = threading.Lock()
        self._loading = threading.Lock()

    def head(self, project: str) -> ProjectHead:
        """One small read."""
        (data,) = self._store.get_many([memory_key(project, "head")])
        head = ProjectHead() if data is None else self._read(project, data)
        with self._heads_lock:
            if data is not None or self._store.is_up():
                self._heads[project] = head
            return self._heads.get(project, head)

    def name(self, project: str, pinned: str, space: str) -> str:
        """The version that predictions use; "" for none, or none made of these features."""
        name, spaces = self.head(project).wanted(pinned)
        return name if space in spaces else ""

    def learnt(self, project: str, pinned: str, space: str) -> Learnt:
        """The version to predict with; nothing, said in the log, when it cannot be had."""
        name = self.name(project, pinned, space)
        if not name:
            return Learnt()
        key = (project, name, space)
        with self._loading:
            if key not in self._learnt:
                try:
                    version = self._lessons.index(project).version(name)
                    if version is None or version.name != name:
                        return Learnt()  # deleted from this instant: the next request knows
                    self._learnt[key] = self._load(project, version, space)
                except StoreError as error:
                    log.warning("project %s: what it learnt is not used: %s", project, error)
                    return Learnt()
            return self._learnt[key]

    def _read(self, project: str, data: bytes) -> ProjectHead:
        """The head of these bytes; made anew of the index where another version wrote them."""
        try:
            return ProjectHead.from_json(data)
        except ValueError:
            try:
                return head_of(self._lessons.index(project))
            except StoreError as error:
                log.warning("project %s: what it learnt is not used: %s", project, error)
                return ProjectHead()

    def _load(self, project: str, version: Version, space: str) -> Learnt:
        refs = [ref for ref in version.refs if ref.space == space]
        lessons = self._lessons.lessons(project, refs)
        of_control: dict[str, list[Lesson]] = {}
        for ref in refs:
            if ref.digest in lessons:
                of_control.setdefault(ref.control, []).append(lessons[ref.digest])
        memories = {control: Memory.of(found) for control, found in of_control.items()}
        return Learnt(version.name, memories)

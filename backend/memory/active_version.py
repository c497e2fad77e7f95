"""What predictions use of what was learnt: one frozen version, loaded once a process."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from cachetools import LRUCache

from backend.errors import StoreError
from backend.memory.lesson_index import Version
from backend.memory.lesson_store import LessonStore
from backend.memory.project_summary import ProjectSummary, summarize
from backend.store.keys import memory_key
from backend.store.store import Store
from model import Lesson, Memory

MAX_CACHED_VERSIONS = 16  # whose memory this process keeps
MAX_CACHED_SUMMARIES = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedVersion:
    """A version as predictions of one feature space use it."""

    name: str = ""  # "" when there is nothing to use
    memories: Mapping[str, Memory] = field(default_factory=dict)  # by control


class ActiveVersions:
    """Safe between threads. Without the store: what this process saw last, or nothing."""

    def __init__(self, store: Store, lessons: LessonStore) -> None:
        self._store = store
        self._lessons = lessons
        self._summaries: LRUCache[str, ProjectSummary] = LRUCache(MAX_CACHED_SUMMARIES)
        self._versions: LRUCache[tuple[str, str, str], LoadedVersion] = LRUCache(
            MAX_CACHED_VERSIONS
        )
        self._summaries_lock = threading.Lock()
        self._loading_lock = threading.Lock()

    def summary(self, project: str) -> ProjectSummary:
        """One small read."""
        (data,) = self._store.get_many([memory_key(project, "head")])
        summary = ProjectSummary() if data is None else self._parse_summary(project, data)
        with self._summaries_lock:
            if data is not None or self._store.is_up():
                self._summaries[project] = summary
            return self._summaries.get(project, summary)

    def active_name(self, project: str, pinned: str, space: str) -> str:
        """The version that predictions use; "" for none, or none made of these features."""
        name, spaces = self.summary(project).select_version(pinned)
        return name if space in spaces else ""

    def load(self, project: str, pinned: str, space: str) -> LoadedVersion:
        """The version to predict with; nothing, said in the log, when it cannot be had."""
        name = self.active_name(project, pinned, space)
        if not name:
            return LoadedVersion()
        key = (project, name, space)
        with self._loading_lock:
            if key not in self._versions:
                try:
                    version = self._lessons.index(project).version(name)
                    if version is None or version.name != name:
                        return LoadedVersion()  # deleted from this instant: the next request knows
                    self._versions[key] = self._load_version(project, version, space)
                except StoreError as error:
                    log.warning("project %s: what it learnt is not used: %s", project, error)
                    return LoadedVersion()
            return self._versions[key]

    def _parse_summary(self, project: str, data: bytes) -> ProjectSummary:
        """The head of these bytes; made anew of the index where another version wrote them."""
        try:
            return ProjectSummary.from_json(data)
        except ValueError:
            try:
                return summarize(self._lessons.index(project))
            except StoreError as error:
                log.warning("project %s: what it learnt is not used: %s", project, error)
                return ProjectSummary()

    def _load_version(self, project: str, version: Version, space: str) -> LoadedVersion:
        refs = [ref for ref in version.refs if ref.space == space]
        lessons = self._lessons.lessons(project, refs)
        lessons_by_control: dict[str, list[Lesson]] = {}
        for ref in refs:
            if ref.digest in lessons:
                lessons_by_control.setdefault(ref.control, []).append(lessons[ref.digest])
        memories = {control: Memory.of(found) for control, found in lessons_by_control.items()}
        return LoadedVersion(version.name, memories)

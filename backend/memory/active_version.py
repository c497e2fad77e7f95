"""The version of a project's lessons that predictions use, cached in each process."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from cachetools import LRUCache

from backend.errors import StoreError
from backend.memory.lesson_snapshot import Version
from backend.memory.lesson_store import LessonStore
from backend.memory.project_summary import ProjectSummary
from model import Lesson, Memory

MAX_CACHED_VERSIONS = 16  # of all projects, each with its predictors in memory
MAX_CACHED_SUMMARIES = 1000


@dataclass(frozen=True)
class LoadedVersion:
    """A version's predictors for one feature space."""

    name: str = ""  # "" for no version
    memories: Mapping[str, Memory] = field(default_factory=dict)  # by lesson_name of the control


class ActiveVersions:
    """Cache of project summaries and loaded versions. Safe between threads.

    While the store is down it answers with what this process read last.
    """

    def __init__(self, lessons: LessonStore) -> None:
        self._lessons = lessons
        self._summaries: LRUCache[str, ProjectSummary] = LRUCache(MAX_CACHED_SUMMARIES)
        self._versions: LRUCache[tuple[str, str, str], LoadedVersion] = LRUCache(
            MAX_CACHED_VERSIONS
        )
        self._summaries_lock = threading.Lock()
        self._versions_lock = threading.Lock()
        self._loading_lock = threading.Lock()

    def summary(self, project: str) -> ProjectSummary:
        """Versions and counts of a project, none without lessons. One request."""
        try:
            summary = self._lessons.head(project).summary()
        except StoreError:  # logged where it arose
            with self._summaries_lock:
                return self._summaries.get(project, ProjectSummary())
        with self._summaries_lock:
            self._summaries[project] = summary
        return summary

    def active_name(self, project: str, pinned: str, space: str) -> str:
        """Name of the version that predictions use; "" if none has lessons of this feature space.

        `pinned`: the setting `memory_version`, that is "newest", "none" or a number.
        """
        name, spaces = self.summary(project).select_version(pinned)
        # With an index that cannot be read the version is not used, so it must not be named.
        return name if space in spaces and project not in self._lessons.unreadable else ""

    def load(self, project: str, pinned: str, space: str) -> LoadedVersion:
        """The version that predictions use; an empty one if the store is down."""
        name = self.active_name(project, pinned, space)
        if not name:
            return LoadedVersion()
        key = (project, name, space)
        if cached := self._cached(key):
            return cached
        with self._loading_lock:  # fitting takes seconds: not twice, and nobody else waits for it
            if cached := self._cached(key):
                return cached
            try:
                version = self._lessons.index(project).version(name)
                if version is None or version.name != name:
                    return LoadedVersion()  # changed since `active_name`: the next request sees it
                loaded = self._load_version(project, version, space)
            except StoreError:  # logged where it arose
                return LoadedVersion()
            with self._versions_lock:
                self._versions[key] = loaded
            return loaded

    def _cached(self, key: tuple[str, str, str]) -> LoadedVersion | None:
        with self._versions_lock:
            return self._versions.get(key)

    def _load_version(self, project: str, version: Version, space: str) -> LoadedVersion:
        refs = [ref for ref in version.refs if ref.space == space]
        lessons = self._lessons.lessons(project, refs)
        lessons_by_control: dict[str, list[Lesson]] = {}
        for ref in refs:
            if ref.digest in lessons:
                lessons_by_control.setdefault(ref.control, []).append(lessons[ref.digest])
        memories = {
            control: memory
            for control, found in lessons_by_control.items()
            if (memory := Memory.of(found)) is not None
        }
        return LoadedVersion(version.name, memories)

"""The version of a project's lessons that predictions use, cached in each process."""

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

MAX_CACHED_VERSIONS = 16  # of all projects, each with its predictors in memory
MAX_CACHED_SUMMARIES = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedVersion:
    """A version's predictors for one feature space."""

    name: str = ""  # "" for no version
    memories: Mapping[str, Memory] = field(default_factory=dict)  # by lesson_name of the control


class ActiveVersions:
    """Cache of project summaries and loaded versions. Safe between threads.

    While the store is down it answers with what this process read last.
    """

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
        """Versions and counts of a project: one GET; an empty summary if it has no lessons."""
        (data,) = self._store.get_many([memory_key(project, "head")])
        summary = ProjectSummary() if data is None else self._parse_summary(project, data)
        with self._summaries_lock:
            if data is not None or self._store.is_up():
                self._summaries[project] = summary
            return self._summaries.get(project, summary)

    def active_name(self, project: str, pinned: str, space: str) -> str:
        """Name of the version that predictions use; "" if none has lessons of this feature space.

        `pinned`: the setting `memory_version`, that is "newest", "none" or a number.
        """
        name, spaces = self.summary(project).select_version(pinned)
        return name if space in spaces else ""

    def load(self, project: str, pinned: str, space: str) -> LoadedVersion:
        """The version that predictions use; an empty one, with a warning, if the store is down."""
        name = self.active_name(project, pinned, space)
        if not name:
            return LoadedVersion()
        key = (project, name, space)
        with self._loading_lock:
            if key not in self._versions:
                try:
                    version = self._lessons.index(project).version(name)
                    if version is None or version.name != name:
                        return (
                            LoadedVersion()
                        )  # changed since `active_name`: the next request sees it
                    self._versions[key] = self._load_version(project, version, space)
                except StoreError as error:
                    log.warning("project %s: what it learned is not used: %s", project, error)
                    return LoadedVersion()
            return self._versions[key]

    def _parse_summary(self, project: str, data: bytes) -> ProjectSummary:
        """The stored summary; computed from the index if another release wrote it."""
        try:
            return ProjectSummary.from_json(data)
        except ValueError:
            try:
                return summarize(self._lessons.index(project))
            except StoreError as error:
                log.warning("project %s: what it learned is not used: %s", project, error)
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

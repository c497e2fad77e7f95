"""Reads the lesson indexes of projects, and remembers which of them cannot be read."""

import logging

from backend.errors import StoreError
from backend.memory.lesson_index import LessonIndex
from backend.store.foreign_data import read_text
from backend.store.keys import memory_key
from backend.store.store import Store

log = logging.getLogger(__name__)


class IndexReader:
    def __init__(self, store: Store) -> None:
        self._store = store
        self.unreadable: dict[str, str] = {}  # project -> why, for /ready

    def read(self, project: str) -> LessonIndex:
        """The index of a project, empty if it has no lessons. Raises StoreError."""
        key = memory_key(project, "index")
        data = self._store.run("read a memory", lambda client: read_text(client, key))
        return self.parse(project, data)

    def parse(self, project: str, data: bytes | None) -> LessonIndex:
        """Raises StoreError for other data, which is kept: an older release may read it."""
        try:
            index = LessonIndex.from_json(data)
        except ValueError as error:
            sentence = (
                f"What project {project} learned cannot be read ({error!s:.200}): another version "
                "of Firstpass may have written it. Predictions go without it, and corrections "
                f"wait. `python -m backend memory forget {project}` starts it anew."
            )
            if self.unreadable.get(project) != sentence:
                log.warning("%s", sentence)
            self.unreadable[project] = sentence
            raise StoreError(sentence) from error
        self.unreadable.pop(project, None)
        return index

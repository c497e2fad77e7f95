"""The settings of each project, as sent to /setup, since /predict does not repeat them."""

import logging
import threading

from cachetools import LRUCache

from backend.errors import SettingsError
from backend.label_studio.project_settings import ProjectSettings
from backend.log_once import WarnOnce
from backend.store.keys import project_settings_key
from backend.store.store import Store

MAX_LOCAL_PROJECTS = 1000  # projects

log = logging.getLogger(__name__)


class ProjectRegistry:
    """Settings by project, in Redis for all workers, and in this process while Redis is down."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._local: LRUCache[str, ProjectSettings] = LRUCache(MAX_LOCAL_PROJECTS)
        self._lock = threading.Lock()
        self._warn_once = WarnOnce(log)

    def save(self, project: str, settings: ProjectSettings) -> None:
        """Store settings; unchanged ones are not written, since /setup precedes each prediction."""
        with self._lock:
            self._local[project] = settings
        key, value = project_settings_key(project), settings.to_json()
        if self._store.get_many([key]) != [value]:
            self._store.set_many({key: value})

    def names(self) -> list[str]:
        """All projects that were ever set up. Raises StoreError while the store is down."""
        prefix = project_settings_key("").encode()
        keys = self._store.run(
            "list projects", lambda client: list(client.scan_iter(prefix + b"*", count=1000))
        )
        return sorted(key.removeprefix(prefix).decode(errors="replace") for key in keys)

    def settings_of(self, project: str) -> ProjectSettings:
        """The project's last settings; the defaults if there are none."""
        (kept,) = self._store.get_many([project_settings_key(project)])
        if kept is not None:
            try:
                return ProjectSettings.from_extra_params(kept.decode())[0]
            except (SettingsError, UnicodeDecodeError) as error:
                # Written by another release or program; the next /setup replaces it.
                self._warn_once(f"kept settings of project {project} cannot be used: {error}")
        with self._lock:
            return self._local.get(project, ProjectSettings())

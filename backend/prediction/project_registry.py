"""The settings of each project, remembered from /setup: /predict does not repeat them."""

import logging
import threading

from cachetools import LRUCache

from backend.errors import SettingsError
from backend.label_studio.project_settings import ProjectSettings
from backend.store.keys import project_settings_key
from backend.store.store import Store

KEPT_HERE = 1000  # projects

log = logging.getLogger(__name__)


class ProjectRegistry:
    """Kept in the store, which all workers and the next start see, and here while it is gone."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._here: LRUCache[str, ProjectSettings] = LRUCache(KEPT_HERE)
        self._lock = threading.Lock()

    def remember(self, project: str, settings: ProjectSettings) -> None:
        """Label Studio sets up before each prediction: only what changed is written."""
        with self._lock:
            self._here[project] = settings
        key, value = project_settings_key(project), settings.to_json()
        if self._store.get_many([key]) != [value]:
            self._store.set_many({key: value})

    def settings_of(self, project: str) -> ProjectSettings:
        """What the project last set; the defaults for one that was never set up."""
        (kept,) = self._store.get_many([project_settings_key(project)])
        if kept is not None:
            try:
                return ProjectSettings.from_extra_params(kept.decode())[0]
            except (SettingsError, UnicodeDecodeError) as error:
                # Written by another version, or by someone else: /setup will write it anew.
                log.warning("kept settings of project %s cannot be used: %s", project, error)
        with self._lock:
            return self._here.get(project, ProjectSettings())

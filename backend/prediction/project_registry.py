"""The settings of each project, as sent to /setup, since /predict does not repeat them."""

import logging
import re
import threading

from cachetools import LRUCache

from backend.errors import SettingsError
from backend.label_studio.project_settings import ProjectSettings
from backend.log_once import WarnOnce
from backend.store.keys import project_config_key, project_settings_key
from backend.store.store import Store

MAX_LOCAL_BYTES = 16 * 2**20  # of settings in this process; of one project at most 1 MB
ENTRY_BYTES = 2**14  # counted beside them, so that there are at most 1000 projects

log = logging.getLogger(__name__)


class ProjectRegistry:
    """Settings by project, in Redis for all workers, and in this process while Redis is down.

    Beside them a digest of the labeling config, to name the project's versions without it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        # Settings as JSON, whose size is known, and the digest.
        self._local: LRUCache[str, tuple[bytes, str]] = LRUCache(
            MAX_LOCAL_BYTES, lambda kept: ENTRY_BYTES + len(kept[0])
        )
        self._lock = threading.Lock()
        self._warn_once = WarnOnce(log)

    def save(self, project: str, settings: ProjectSettings, config_digest: str = "") -> None:
        """Store settings; unchanged ones are not written, since /setup precedes each prediction."""
        with self._lock:
            self._local[project] = settings.to_json(), config_digest
        values = {
            project_settings_key(project): settings.to_json(),
            project_config_key(project): config_digest.encode(),
        }
        if self._store.get_many(list(values)) != list(values.values()):
            self._store.set_many(values)

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
        return ProjectSettings.from_extra_params(self._kept_here(project)[0].decode())[0]

    def config_digest_of(self, project: str) -> str:
        """`config_digest` of the project's last labeling config; "" if none is known."""
        (kept,) = self._store.get_many([project_config_key(project)])
        if kept is not None:
            if re.fullmatch(rb"[0-9a-f]{16}|", kept):
                return kept.decode()
            self._warn_once(f"kept config digest of project {project} cannot be used: {kept!r:.40}")
        return self._kept_here(project)[1]

    def set_up_here(self) -> list[str]:
        """Projects that this process has set up, about the 1000 most recent ones."""
        with self._lock:
            return list(self._local)

    def _kept_here(self, project: str) -> tuple[bytes, str]:
        with self._lock:
            return self._local.get(project, (b"", ""))

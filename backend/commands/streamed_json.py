"""A JSON file with one long list, written item by item, so that it need not fit into memory."""

from pathlib import Path
from typing import Any

import orjson

from backend.errors import SettingsError


class StreamedJson:
    """Takes the place of `path` when it is closed: before, the items are in a file beside it."""

    def __init__(self, path: Path, head: bytes = b"[") -> None:
        self.path, self._new_path = path, path.with_name(f"{path.name}.part")
        self._separator = b"\n"
        try:
            self._file = self._new_path.open("wb")
        except OSError as error:
            raise self._failed(error) from error
        self._write(head)

    def add(self, item: Any) -> None:
        """An item that may hold NumPy arrays. Raises SettingsError, such as for a full disk."""
        self._write(self._separator + orjson.dumps(item, option=orjson.OPT_SERIALIZE_NUMPY))
        self._separator = b",\n"

    def close(self, tail: bytes = b"]") -> None:
        self._write(b"\n" + tail + b"\n")
        try:
            self._file.close()
            self._new_path.replace(self.path)
        except OSError as error:
            raise self._failed(error) from error

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> SettingsError:
        return SettingsError(f"{self.path} cannot be written: {error.strerror}.")

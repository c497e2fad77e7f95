"""A JSON object that several processes read and change together, in memory alone.

For what must not lie on a disk, such as a token: the processes are forked after it was made.
"""

import contextlib
import fcntl
import mmap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

COPY_BYTES = 2**16  # of one copy; the other one is written meanwhile
LENGTH_BYTES = 4


class SharedRecord:
    """Safe between threads and processes: one that is killed leaves the record as it was."""

    def __init__(self, lock_file: Path | None = None) -> None:
        """`lock_file`: for processes that are forked later; None: of this process alone."""
        self._memory = mmap.mmap(-1, 1 + 2 * COPY_BYTES)  # the first byte: which copy counts
        self._lock = threading.Lock()
        self._file = lock_file.open("wb") if lock_file else None

    def read(self) -> dict[str, Any]:
        with self._locked():
            return self._load()

    @contextlib.contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """The object, which nobody else changes inside the block, and which is kept at its end.

        Raises ValueError for one of more than 64 kB.
        """
        with self._locked():
            found = self._load()
            yield found
            self._store(orjson.dumps(found))

    def close(self) -> None:
        """For this process."""
        self._memory.close()
        if self._file is not None:
            self._file.close()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock:
            if self._file is None:
                yield
                return
            # Of the process, not of the file that all have in common as with flock; the kernel
            # releases it when the process is killed.
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _load(self) -> dict[str, Any]:
        start = 1 + self._memory[0] * COPY_BYTES
        length = int.from_bytes(self._memory[start : start + LENGTH_BYTES], "big")
        data = self._memory[start + LENGTH_BYTES : start + LENGTH_BYTES + length]
        found: dict[str, Any] = orjson.loads(data) if data else {}
        return found

    def _store(self, data: bytes) -> None:
        if len(data) > COPY_BYTES - LENGTH_BYTES:
            raise ValueError(f"{len(data)} bytes do not fit into a record of {COPY_BYTES}")
        other = 1 - self._memory[0]
        start = 1 + other * COPY_BYTES
        self._memory[start : start + LENGTH_BYTES] = len(data).to_bytes(LENGTH_BYTES, "big")
        self._memory[start + LENGTH_BYTES : start + LENGTH_BYTES + len(data)] = data
        self._memory[0] = other

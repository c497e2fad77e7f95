"""A durable file of records, for the time while the store is down.

A record is a line that begins with its CRC-32. A line cut off by a crash or a full disk is skipped,
and the next record still begins on a line of its own. A file lock orders the processes.
"""

import contextlib
import fcntl
import logging
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from backend.store.atomic_file import open_private, replace_file, sync_folder

log = logging.getLogger(__name__)


class Spool:
    """A FIFO of records, bytes without a line feed, in a file of at most `max_bytes`."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes

    def append(self, record: bytes) -> int:
        """Append a record, on the disk when this returns; the number of old ones dropped for it.

        Raises OSError.
        """
        line = _line(record)
        with self._lock():
            dropped = self._drop_oldest(len(line))
            is_new = not self.path.exists()
            with open_private(self.path, "ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                sync_folder(self.path.parent)
        return dropped

    def drain(self, consume: Callable[[bytes], None]) -> None:
        """Call `consume` for each record, oldest first, and remove the consumed ones.

        An error of `consume` is raised on; its record and those after it stay. After a crash on
        the way all of them stay, so some may be consumed twice.
        """
        if not self:
            return
        with self._lock():
            records, n_damaged = self._records()
            if n_damaged:
                log.warning(
                    "%d records in %s were cut short by a crash and are passed over.",
                    n_damaged, self.path,
                )  # fmt: skip
            n_consumed = 0
            try:
                for record in records:
                    consume(record)
                    n_consumed += 1
            finally:
                if n_consumed or n_damaged:
                    self._rewrite(records[n_consumed:])

    def __len__(self) -> int:
        return len(self._records()[0]) if self else 0

    def __bool__(self) -> bool:
        """Whether the file has bytes; False as well if something else lies there."""
        with contextlib.suppress(FileNotFoundError):
            return self.path.is_file() and self.path.stat().st_size > 0
        return False

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A separate file, since the spool itself gets replaced.
        with open_private(self.path.with_suffix(".lock"), "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _records(self) -> tuple[list[bytes], int]:
        """The whole records, and the number of damaged ones."""
        lines = [line for line in self.path.read_bytes().split(b"\n") if line]
        records = [line[9:] for line in lines if line[:9] == b"%08x " % zlib.crc32(line[9:])]
        return records, len(lines) - len(records)

    def _drop_oldest(self, needed_bytes: int) -> int:
        """Make room for so many bytes; the number of records dropped."""
        if not self or self.path.stat().st_size + needed_bytes <= self.max_bytes:
            return 0
        records, _ = self._records()
        # Down to three quarters of the limit, so that not every record rewrites the file.
        free_bytes = self.max_bytes * 3 // 4 - needed_bytes
        kept: list[bytes] = []
        for record in reversed(records):
            free_bytes -= len(record) + 11
            if free_bytes < 0:
                break
            kept.append(record)
        self._rewrite(kept[::-1])
        return len(records) - len(kept)

    def _rewrite(self, records: list[bytes]) -> None:
        replace_file(self.path, b"".join(map(_line, records)))


def _line(record: bytes) -> bytes:
    return b"\n%08x %s\n" % (zlib.crc32(record), record)

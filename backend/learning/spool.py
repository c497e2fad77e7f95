"""A durable file of records, for the time while the store is down.

A record is a line that begins with its CRC-32. A line cut off by a crash is skipped, and the next
record still begins on a line of its own. A consumed record is marked in its place, which needs no
room on a full disk; other releases skip the mark as a wrong CRC. A file lock orders the processes.
"""

import contextlib
import errno
import fcntl
import logging
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from backend.store.atomic_file import open_private, replace_file, sync_folder

log = logging.getLogger(__name__)

CONSUMED = b"consumed "  # in the place of a CRC, of the same length


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
            self._append_line(line)
            if is_new:
                sync_folder(self.path.parent)
        return dropped

    def drain(self, consume: Callable[[bytes], None]) -> int:
        """Call `consume` for each record, oldest first, and remove the consumed ones; how many.

        An error of `consume` is raised on; its record and those after it stay. After a crash on
        the way its record stays, so it may be consumed twice. Raises OSError.
        """
        if not self:
            return 0
        with self._lock():
            if not self:  # whoever held the lock has drained it
                return 0
            records, n_damaged = self._records()
            if n_damaged:
                log.warning(
                    "%d records in %s were cut short by a crash and are passed over.",
                    n_damaged, self.path,
                )  # fmt: skip
            with self.path.open("r+b", buffering=0) as file:
                for place, record in records:
                    consume(record)
                    os.pwrite(file.fileno(), CONSUMED, place)
            self.path.unlink()
            sync_folder(self.path.parent)
        return len(records)

    def __len__(self) -> int:
        with contextlib.suppress(FileNotFoundError):  # it was drained between the two looks
            return len(self._records()[0]) if self else 0
        return 0

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

    def _append_line(self, line: bytes) -> None:
        """Append, or leave the file as it was. Raises OSError."""
        with open_private(self.path, "ab", buffering=0) as file:
            before_bytes = file.tell()
            try:
                written = file.write(line)
                if written != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(before_bytes)
                raise

    def _records(self) -> tuple[list[tuple[int, bytes]], int]:
        """The whole records with the places of their lines, and the number of damaged ones."""
        records, n_damaged, place = [], 0, 0
        for line in self.path.read_bytes().split(b"\n"):
            if line[:9] == b"%08x " % zlib.crc32(line[9:]):
                records.append((place, line[9:]))
            elif line and line[:9] != CONSUMED:
                n_damaged += 1
            place += len(line) + 1
        return records, n_damaged

    def _drop_oldest(self, needed_bytes: int) -> int:
        """Make room for so many bytes; the number of records dropped."""
        if not self or self.path.stat().st_size + needed_bytes <= self.max_bytes:
            return 0
        records, _ = self._records()
        # Down to three quarters of the limit, so that not every record rewrites the file.
        free_bytes = self.max_bytes * 3 // 4 - needed_bytes
        kept: list[bytes] = []
        for _, record in reversed(records):
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

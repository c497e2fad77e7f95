"""What the worker processes of one server on one machine share beside the store.

It is made before they are forked (`backend/commands/worker_hooks.py`) and found by each with
`worker_group()`. A worker is known by its socket in the group's folder once its model has loaded:
others pass requests on to it there (`backend/http/passing_on.py`). The folder also holds the
numbers of /metrics; what is secret lies in memory alone. A file in it is locked for as long as one
of the processes goes on: the next server removes what one that was killed has left.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from backend.listen_address import fits_unix_socket
from backend.shared_record import SharedRecord

PREFIX = "firstpass-workers-"  # of the folders
LONGEST_SOCKET = f"{PREFIX}12345678/1234567.sock"  # of mkdtemp's names and process numbers
IN_USE = "in_use.lock"


@dataclass(frozen=True)
class WorkerGroup:
    n_workers: int
    folder: Path
    in_use: BinaryIO  # its lock, of all processes that have inherited it
    record: SharedRecord  # of what a /setup told, and of the API key
    has_loaded: threading.Event = field(default_factory=threading.Event)  # this worker its model

    @property
    def own_name(self) -> str:
        return str(os.getpid())

    def socket_of(self, worker: str) -> Path:
        """Where the worker of this name takes what others pass on."""
        return self.folder / f"{worker}.sock"

    def ready(self) -> list[str]:
        """Names of the workers whose model has loaded and that go on."""
        return [path.stem for path in self.folder.glob("*.sock")]

    def owner_of(self, key: str) -> str:
        """The worker that requests of this key belong to, of those that are ready; else this one.

        Rendezvous hashing (Thaler and Ravishankar 1998): a worker that comes or goes moves its own
        share of the keys alone.
        """

        def weight(worker: str) -> bytes:
            return hashlib.blake2b(f"{worker}/{key}".encode(), digest_size=8).digest()

        return max(self.ready(), key=weight, default=self.own_name)

    def note_end_of(self, worker: str) -> None:
        """Have others pass nothing on to this worker any more."""
        self.socket_of(worker).unlink(missing_ok=True)

    def is_first(self, occasion: str) -> bool:
        """Whether no worker has asked this about an occasion before."""
        try:
            (self.folder / f"{occasion}.said").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def tell(self, subject: str, data: bytes) -> None:
        """Have the other workers read this of a subject, in place of what was told before."""
        new = self.folder / f"{self.own_name}.{subject}.new"
        new.write_bytes(data)
        new.replace(self.folder / f"{self.own_name}.{subject}")

    def told_by_others(self, subject: str) -> list[bytes]:
        """What each of the others told last, those that have ended among them."""
        own = f"{self.own_name}.{subject}"
        paths = sorted(self.folder.glob(f"*.{subject}"))
        return [path.read_bytes() for path in paths if path.name != own]

    @contextlib.contextmanager
    def one_first(self, what: str) -> Iterator[None]:
        """The first worker goes through the block alone, all others at once when it is through.

        So that what the first one downloads is there for the others. One that fails leaves its
        turn to another.
        """
        is_done = self.folder / f"{what}.done"
        with (self.folder / f"{what}.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if is_done.exists():
                fcntl.flock(lock, fcntl.LOCK_UN)
            yield
            is_done.touch()

    def remove(self) -> None:
        """When all workers have ended."""
        self.record.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.in_use.close()


_group: WorkerGroup | None = None


def begin_group(n_workers: int) -> WorkerGroup:
    """Make the group of the workers that are forked from now on."""
    global _group  # the one way from gunicorn's process to those that it forks
    remove_left_folders()
    folder, in_use = make_locked_folder()
    _group = WorkerGroup(n_workers, folder, in_use, SharedRecord(folder / "record.lock"))
    return _group


def make_locked_folder() -> tuple[Path, BinaryIO]:
    """A folder, and its lock, which the kernel releases when the last process with it ends."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder_of_groups()))
        with contextlib.suppress(FileNotFoundError):
            lock = (folder / IN_USE).open("wb")
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (folder / IN_USE).exists():
                return folder, lock
            lock.close()
        # Another server took it for one that was left, before it was locked.


def folder_of_groups() -> Path:
    """The folder for temporary files; /tmp where a path in it would be too long for a socket."""
    folder = Path(tempfile.gettempdir())
    return folder if fits_unix_socket(folder / LONGEST_SOCKET) else Path("/tmp")  # noqa: S108


def remove_left_folders() -> None:
    """Remove this user's folders whose processes have all ended, killed ones."""
    for folder in folder_of_groups().glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # it is in use, or gone by now
            about = folder.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
                continue
            with (folder / IN_USE).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


def worker_group() -> WorkerGroup | None:
    """The group of this process; None for a single worker, or under another server."""
    return _group

"""Replace a file as a whole: after a crash or power cut it holds the old bytes or the new ones."""

import errno
import os
from pathlib import Path
from typing import BinaryIO, Literal


def replace_file(path: Path, data: bytes) -> None:
    """Write the bytes to `path`; they are on the disk when this returns. Raises OSError.

    The file is readable for its owner alone.
    """
    new_path = path.with_name(f"{path.name}.new")
    with open_private(new_path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new_path.replace(path)
    sync_folder(path.parent)


def open_private(path: Path, mode: Literal["ab", "wb"], *, buffering: int = -1) -> BinaryIO:
    """A file opened to write, which its owner alone can read, also if it was there. Raises OSError.

    Whatever the umask: what it holds may name people's images and the addresses of their storage.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if mode == "ab" else os.O_TRUNC)
    descriptor = os.open(path, flags, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EROFS):
            os.close(descriptor)
            raise
    return os.fdopen(descriptor, mode, buffering)


def sync_folder(folder: Path) -> None:
    """Put the names of a folder on the disk, as fsync does with the bytes of a file.

    Does nothing on file systems that cannot sync a folder, such as some shared folders of virtual
    machines. Raises other OSErrors.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)

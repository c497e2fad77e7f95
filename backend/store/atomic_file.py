"""Replace a file as a whole: after a crash or power cut it holds the old bytes or the new ones."""

import errno
import os
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """Write the bytes to `path`; they are on the disk when this returns. Raises OSError."""
    new_path = path.with_name(f"{path.name}.new")
    with new_path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new_path.replace(path)
    sync_folder(path.parent)


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

"""A disk without room, for files of this process."""

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def full_disk(at_bytes: int) -> Iterator[None]:
    """No file grows beyond so many bytes inside the block; the write that would raises OSError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

"""Has glibc give freed memory back, which a process of many threads and large arrays else keeps.

By default malloc raises the size from which it maps a block by itself, up to 32 MB, with each such
block that is freed; smaller ones then come from heaps ("arenas", 8 a core), of which only the free
end goes back to the system. Images, features and masks of several threads leave holes there: see
benchmarks.resident.
"""

import ctypes
import logging
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of malloc.h
# Half of what an image of 1024 x 768 pixels takes. Setting it, to whatever, keeps it from growing.
MAPPED_FROM_BYTES = 2**20
ARENAS = 2

log = logging.getLogger(__name__)


def give_freed_memory_back() -> bool:
    """Set up malloc of this process; False where it is not glibc's, and stays as it is."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    options = (
        (M_MMAP_THRESHOLD, MAPPED_FROM_BYTES),
        (M_TRIM_THRESHOLD, MAPPED_FROM_BYTES),
        (M_ARENA_MAX, ARENAS),
    )
    if not all(mallopt(option, value) for option, value in options):
        log.warning("malloc does not take its options: freed memory may stay with the process.")
        return False
    return True

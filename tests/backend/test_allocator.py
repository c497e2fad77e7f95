"""Freed memory goes back to the system, whatever the sizes and threads it was used by."""

import platform
import subprocess
import sys

import pytest

from tests.support.running_service import ROOT

# Arrays of growing sizes, as the first makes malloc keep what the later ones take; small objects
# between them, which keep the ends of heaps in use.
CHURN = """
import sys, threading
import numpy as np
from backend.allocator import give_freed_memory_back
if sys.argv[1] == "set up":
    assert give_freed_memory_back()
def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
before, kept = resident_mb(), []
def churn(seed):
    rng = np.random.default_rng(seed)
    for _ in range(6):
        np.ones(31 * 2**20, np.uint8)
        held = [np.ones(int(n), np.uint8) for n in rng.integers(2**21, 2**24, 8)]
        kept.append(np.ones(50_000, np.uint8))
        del held
threads = [threading.Thread(target=churn, args=(n,)) for n in range(6)]
for one in threads: one.start()
for one in threads: one.join()
print(resident_mb() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc")
def test_memory_of_many_threads_goes_back_to_the_system():
    command = [sys.executable, "-c", CHURN, "set up"]
    grown_mb = float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    assert grown_mb < 40

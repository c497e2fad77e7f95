"""No memory is left for images and what is made of them."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

REFUSED_FROM_BYTES = 2**19

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler: apt-get install gcc"),
    pytest.mark.skipif(sys.platform != "linux", reason="replaces glibc's malloc"),
]


@dataclass(frozen=True)
class Memory:
    """Of processes that are started with `variables`: none for large blocks while `lack` exists."""

    lack: Path
    variables: dict[str, str]


@pytest.fixture(scope="module")
def memory(tmp_path_factory) -> Memory:
    folder = tmp_path_factory.mktemp("memory")
    library, lack = folder / "no_memory.so", folder / "lack"
    source = Path(__file__).with_name("no_memory.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    memory = Memory(
        lack,
        {
            "LD_PRELOAD": str(library),
            "NO_MEMORY": str(lack),
            "NO_MEMORY_FROM": str(REFUSED_FROM_BYTES),
        },
    )
    lack.touch()
    large = [sys.executable, "-c", f"bytearray({REFUSED_FROM_BYTES})"]
    found = subprocess.run(large, env=memory.variables, capture_output=True, text=True)
    assert "MemoryError" in found.stderr, "there is memory"
    lack.unlink()
    return memory


@pytest.fixture
def large_uris(png_uri) -> list[str]:
    """Photos of 640 x 480 pixels."""
    colors = np.random.default_rng(0).integers(0, 255, (2, 6, 8, 3), dtype=np.uint8)
    return [png_uri(image.repeat(80, axis=0).repeat(80, axis=1)) for image in colors]


def test_a_model_without_memory_fails_its_tasks_with_the_reason_and_goes_on_when_there_is_some(
    serve, send_traffic, settle, memory, large_uris
):
    """Real allocations of the process fail, whatever thread makes them."""
    service = serve(FEATURE_CACHE_MB="0", **memory.variables)
    traffic = send_traffic(service, predicted=large_uris)
    traffic.go_on()
    before = service.worker_pids()
    memory.lack.touch()
    traffic.go_on()
    memory.lack.unlink()
    traffic.go_on()
    ledger = settle(traffic, service)
    assert ledger.failed_tasks  # in the model, or where its image is decoded
    assert set(ledger.failed_tasks) <= {"out_of_memory", "image_too_large"}
    assert service.worker_pids() == before

"""A data folder whose disk is full, or cannot be written."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.running_service import free_port
from tests.support.valkey_server import valkey_server

pytestmark = pytest.mark.soak

SIZE_MB = 16


@pytest.fixture
def mount(tmp_path) -> Iterator[Callable[[str], Path]]:
    """Mount a small disk of its own, or again with other options; a user who may not skips."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"may not mount: {done.stderr.strip()}")
        return folder

    yield mount
    # Lazily, since a service that is being stopped may have files open.
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)


def fill(folder: Path) -> Path:
    """A file that takes all the room there is."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return filler
    raise AssertionError("the disk has no end")


def refused_webhooks(ledger) -> int:
    return ledger.answered["webhook", 503]


def test_a_full_disk_costs_no_answer_and_refuses_what_it_cannot_keep(
    serve, send_traffic, settle, mount
):
    """Neither the embedded Valkey nor the spool has room: what is answered 201 is kept even so."""
    data = mount(f"size={SIZE_MB}m") / "data"
    service = serve(DATA_DIR=str(data))
    traffic = send_traffic(service)
    traffic.go_on()
    filler = fill(data.parent)
    service.wait_until_said("refuses to queue a correction")
    traffic.go_on(10)  # until the last bytes of half-filled blocks are taken
    filler.unlink()
    service.wait_until_store_is_whole()
    traffic.go_on()
    ledger = settle(traffic, service, data_dir=data)
    assert refused_webhooks(ledger)
    assert any("Make room on the disk of DATA_DIR" in reason for reason in ledger.refusals)


def test_a_data_folder_that_becomes_read_only_refuses_what_it_cannot_keep(
    serve, send_traffic, settle, mount, tmp_path
):
    """As a disk becomes with errors, while the Redis is away as well."""
    data = mount(f"size={SIZE_MB}m")
    port = free_port()
    options = {"appendonly": "yes"}
    with valkey_server(tmp_path / "redis", port, options) as server:
        service = serve(DATA_DIR=str(data), REDIS_URL=server.url)
        traffic = send_traffic(service)
        traffic.go_on()
        mount("remount,ro")
        traffic.go_on()
        assert not refused_webhooks(traffic.ledger)  # the Redis takes them
    service.wait_until_said("cannot be reached")
    traffic.go_on()
    mount("remount,rw")
    with valkey_server(tmp_path / "redis", port, options) as server:
        service.wait_until_store_is_whole()
        traffic.go_on()
        ledger = settle(traffic, service, redis_url=server.url)
    assert refused_webhooks(ledger)


def test_a_service_whose_data_folder_is_read_only_predicts_and_takes_no_correction_it_would_lose(
    serve, send_traffic, settle, mount
):
    data = mount(f"size={SIZE_MB}m")
    mount("remount,ro")
    service = serve(DATA_DIR=str(data))
    service.wait_until_said("Give DATA_DIR a folder on a local disk that can be written")
    traffic = send_traffic(service)
    traffic.go_on()
    assert not traffic.ledger.acknowledged
    mount("remount,rw")
    service.wait_until_store_is_whole()
    traffic.go_on()
    ledger = settle(traffic, service, data_dir=data)
    assert refused_webhooks(ledger)
    assert ledger.acknowledged

"""A service that is told to stop ends by itself, in order, whenever that is."""

import pytest
import requests

from tests.support.label_configs import IMAGE, brush_labels, config, labels
from tests.support.running_service import RunningService
from tests.support.waiting import wait_until


def is_up(service: RunningService) -> bool:
    try:
        return service.ask("GET", "/health").ok
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("when", ["importing", "loading", "warming up", "with much to warm up"])
def test_a_stop_soon_after_a_start_aborts_and_kills_nothing(start, when):
    service = start()
    if when == "importing":
        wait_until(lambda: (service.log.parent / "data").exists() or service.process.poll())
    elif when == "loading":
        wait_until(lambda: is_up(service))
    elif when == "warming up":
        service.wait_until_ready()
    else:
        service.wait_until_ready()
        for n in range(100):
            schema = config(IMAGE, brush_labels(labels(f"thing {n}")))
            body = {"project": f"{n}.1", "schema": schema}
            assert service.ask("POST", "/setup", json=body).ok
    service.process.terminate()
    assert service.process.wait(120) == 0
    said = service.log.read_text()
    assert "was sent" not in said  # by gunicorn, of a worker that was aborted or killed
    assert "terminate called" not in said
    assert "Traceback" not in said

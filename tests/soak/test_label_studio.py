"""A Label Studio that is slow, refuses the token, fails, or breaks off while it gives images."""

import base64
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support.fake_label_studio import PERSONAL, Asked, FakeLabelStudio, Reply, as_json
from tests.support.running_service import RunningService

pytestmark = pytest.mark.soak

HEALTHY = "healthy"
SLOW_S = 5.0  # an answer takes, and IMAGE_TIMEOUT_S is 1


class Uploads:
    """Images of a Label Studio, given as its `state` says."""

    def __init__(self, server: FakeLabelStudio, images: list[bytes]) -> None:
        self.state = HEALTHY
        self.uris = [f"/data/upload/1/{number}.png" for number in range(len(images))]
        for uri, image in zip(self.uris, images, strict=True):
            server.pages[uri] = partial(self.give, image)

    def give(self, image: bytes, _: Asked) -> Reply:
        if self.state == "slow":
            time.sleep(SLOW_S)
        if self.state == "401":
            return as_json({"detail": "Invalid token."}, 401)
        if self.state == "500":
            return Reply(b"<h1>Server Error (500)</h1>", 500, {"Content-Type": "text/html"})
        if self.state == "cutting off":
            headers = {"Content-Type": "image/png", "Content-Length": str(len(image))}
            return Reply(image[: len(image) // 2], 200, headers)
        return Reply(image, 200, {"Content-Type": "image/png"})


@pytest.fixture(scope="module")
def studio() -> Iterator[FakeLabelStudio]:
    server = FakeLabelStudio()
    yield server
    server.close()


@pytest.fixture(scope="module")
def service(serve, studio) -> RunningService:
    return serve(LABEL_STUDIO_URL=studio.url, LABEL_STUDIO_API_KEY=PERSONAL, IMAGE_TIMEOUT_S="1")


@pytest.fixture
def uploads(studio, uris) -> Uploads:
    return Uploads(studio, [base64.b64decode(uri.partition(",")[2]) for uri in uris])


@pytest.mark.parametrize(
    ("state", "codes"),
    [
        ("slow", {"image_not_found", "overloaded"}),  # the latter of further images meanwhile
        ("401", {"image_forbidden"}),
        ("500", {"image_not_found"}),
        ("cutting off", {"image_not_found"}),
    ],
)
def test_a_label_studio_that_fails_costs_only_tasks_whose_image_it_kept_and_no_correction(
    service, send_traffic, settle, uploads, state, codes
):
    traffic = send_traffic(service, predicted=uploads.uris, taught=uploads.uris)
    traffic.go_on()
    uploads.state = state
    traffic.go_on()
    uploads.state = HEALTHY
    traffic.go_on()
    ledger = settle(traffic, service)
    assert set(ledger.failed_tasks) <= codes
    assert ledger.failed_tasks
    assert ledger.n_of_status(503) == 0

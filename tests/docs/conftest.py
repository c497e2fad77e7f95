"""The service as the pages describe it: with the starter checkpoint."""

import pytest


@pytest.fixture(scope="session")
def starter_service(make_running):
    return make_running(CLIP_MODEL="starter", CLIP_PRETRAINED="")

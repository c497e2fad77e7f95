"""A server that behaves like Label Studio 1.23.2."""

import pytest

from tests.support.fake_label_studio import FakeLabelStudio


@pytest.fixture
def server():
    server = FakeLabelStudio()
    yield server
    server.close()

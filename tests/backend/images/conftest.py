"""Servers that tasks name: a Label Studio, and one that is not."""

import pytest

from tests.support.fake_label_studio import FakeLabelStudio, WebServer


@pytest.fixture
def studio():
    server = FakeLabelStudio()
    yield server
    server.close()


@pytest.fixture
def web():
    """A server that is not Label Studio: another port is another origin."""
    server = WebServer()
    yield server
    server.close()

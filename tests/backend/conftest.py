"""A Label Studio like 1.23.2, and an installation beside it for the doctor's checks."""

import pytest

from backend.checks.installation import Installation
from backend.label_studio.client import LabelStudio
from tests.support.fake_label_studio import PERSONAL, FakeLabelStudio, connect_backend


@pytest.fixture
def studio():
    """Its first project has a model at port 9090, connected, with a webhook."""
    server = FakeLabelStudio()
    connect_backend(server, "http://127.0.0.1:9090")
    yield server
    server.close()


@pytest.fixture
def installation(studio, tmp_path) -> Installation:
    return Installation(
        describe_model=lambda: "starter-1a2b/firstpass on cpu",
        describe_store=lambda: "embedded",
        host="127.0.0.1",
        port=9090,
        data_dir=tmp_path / "data",
        local_root=None,
        label_studio=LabelStudio(studio.url, PERSONAL),
    )

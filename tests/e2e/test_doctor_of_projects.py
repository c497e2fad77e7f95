"""The doctor on two projects of a real Label Studio, one of which lost its webhook."""

import re
import subprocess
import sys

import pytest

from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.label_studio_server import ROOT, TOKEN

pytestmark = pytest.mark.e2e


@pytest.fixture
def doctor(label_studio, backend, tiny_checkpoint, tmp_path):
    """The lines that the doctor of this backend prints."""
    environment = {
        "PORT": backend.url.rpartition(":")[2],
        "DATA_DIR": str(tmp_path / "data"),
        "CLIP_MODEL": tiny_checkpoint.model,
        "CLIP_PRETRAINED": tiny_checkpoint.pretrained,
        "DEVICE": "cpu",
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
    }

    def run() -> list[str]:
        command = [sys.executable, "-m", "backend", "doctor"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout.splitlines()

    return run


def has_no_webhook(project: int, lines: list[str]) -> bool:
    """Whether the doctor says so of this project; parts about several are divided by ";"."""
    return any(re.search(rf"\bproject {project}\b[^;]*no webhook", line) for line in lines)


def test_a_lost_webhook_is_told_of_the_project_that_lost_it(label_studio, connected, doctor):
    whole, broken = connected(CAT_DOG_CONFIG), connected(CAT_DOG_CONFIG)
    assert not has_no_webhook(broken, doctor())
    for webhook in label_studio.ask("GET", f"/api/webhooks/?project={broken}"):
        label_studio.ask("DELETE", f"/api/webhooks/{webhook['id']}/")
    lines = doctor()
    assert has_no_webhook(broken, lines), lines
    assert not has_no_webhook(whole, lines), lines

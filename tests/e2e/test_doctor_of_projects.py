"""The doctor on two projects of a real Label Studio, one of which lost its webhook."""

import re

import pytest

from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.label_studio_server import TOKEN

pytestmark = pytest.mark.e2e


def has_no_webhook(project: int, found: str) -> bool:
    """Whether the doctor says so of this project; parts about several are divided by ";"."""
    return bool(re.search(rf"\bproject {project}\b[^;]*no webhook", found))


def test_a_lost_webhook_is_told_of_the_project_that_lost_it(
    label_studio, backend, connected, doctor
):
    whole, broken = connected(CAT_DOG_CONFIG), connected(CAT_DOG_CONFIG)
    before = doctor(backend, LABEL_STUDIO_API_KEY=TOKEN)
    assert not has_no_webhook(broken, before["connection"].found)
    for webhook in label_studio.ask("GET", f"/api/webhooks/?project={broken}"):
        label_studio.ask("DELETE", f"/api/webhooks/{webhook['id']}/")
    after = doctor(backend, LABEL_STUDIO_API_KEY=TOKEN)
    assert after.code == 1
    assert has_no_webhook(broken, after["connection"].found)
    assert not has_no_webhook(whole, after["connection"].found)
    assert f"doctor --project {broken}" in after["connection"].cure

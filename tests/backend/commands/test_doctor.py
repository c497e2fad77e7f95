"""The doctor as a whole: all checks of one installation, and those of real settings."""

from dataclasses import replace

from backend.checks.checklist import CHECKS, run_checks
from backend.checks.installation import Check
from backend.checks.local_checks import check_port
from backend.commands.doctor import check_installation
from backend.errors import StoreError
from backend.settings import Settings
from tests.support.fake_label_studio import PERSONAL
from tests.support.running_service import free_port

# Port 9090 is only a name in these tests, and may be in use.
CHECKS_BUT_PORT = tuple(check for check in CHECKS if check is not check_port)


def test_a_healthy_installation_has_nothing_to_cure(installation):
    found = run_checks(installation, CHECKS_BUT_PORT)
    assert {check.name for check in found} == {
        "model", "store", "data folder", "local files", "Label Studio", "token", "connection",
        "networking",
    }  # fmt: skip
    assert all(check.ok is True and not check.remedy for check in found)


def test_the_doctor_changes_nothing_in_label_studio(installation, studio):
    run_checks(installation, CHECKS_BUT_PORT)
    written = [asked.path for asked in studio.asked if asked.method != "GET"]
    assert written == ["/api/token/refresh/"]


def test_a_model_or_store_that_cannot_be_built_says_why_and_stops_no_other_check(installation):
    def fail():
        raise StoreError("Redis does not answer: start it.")

    def crash():
        raise ImportError("libcudart.so")

    found = run_checks(
        replace(installation, describe_model=crash, describe_store=fail), CHECKS_BUT_PORT
    )
    assert found[0] == Check("model", False, "ImportError", "libcudart.so")
    assert found[1] == Check("store", False, "StoreError", "Redis does not answer: start it.")
    assert len(found) == 8


def test_the_settings_become_the_checks_of_real_parts(studio, tiny_checkpoint, tmp_path):
    settings = Settings(
        port=free_port(),
        data_dir=tmp_path,
        clip_model=tiny_checkpoint.model,
        clip_pretrained=tiny_checkpoint.pretrained,
        device="cpu",
        label_studio_url=studio.url,
        label_studio_api_key=PERSONAL,
    )
    found = {check.name: check for check in check_installation(settings)}
    assert found["model"].ok is True
    assert "firstpass" in found["model"].found
    assert "cpu" in found["model"].found
    assert found["store"].ok is True
    assert "embedded" in found["store"].found
    assert found["token"].ok is True

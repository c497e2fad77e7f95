"""The checks in their order, and the installation that they look at, as the service is built."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from backend.checks.installation import Check, Installation
from backend.checks.label_studio_checks import check_label_studio
from backend.checks.local_checks import (
    check_data_folder,
    check_local_files,
    check_model_and_store,
    check_port,
)
from backend.errors import StoreError
from backend.label_studio.webhook_secret import webhook_secret
from backend.service import Service
from backend.settings import Settings

Checks = Sequence[Callable[[Installation], Iterator[Check]]]

# In the order in which problems should be solved.
CHECKS: Checks = (
    check_model_and_store,
    check_data_folder,
    check_port,
    check_local_files,
    check_label_studio,
)
# For a service that is running: it has its port, and /ready tells of its model and store.
CHECKS_WHILE_SERVING: Checks = (check_data_folder, check_local_files, check_label_studio)


def run_checks(installation: Installation, checks: Checks = CHECKS) -> list[Check]:
    """The findings of all checks; an expected problem is a finding, not an exception."""
    return [finding for check in checks for finding in check(installation)]


def installation_of(service: Service) -> Installation:
    """The parts of the service, each built when its check runs."""
    settings = service.settings

    def describe_model() -> str:
        model = service.annotator.describe()
        return f"{model['model_version']} on {model['device']}, {model['precision']}"

    def describe_store() -> str:
        store = service.store.describe()
        if store["degraded"]:
            raise StoreError(store["degraded"])
        return f"{store['kind']} at {store['address']}"

    return Installation(
        describe_model,
        describe_store,
        settings.host,
        settings.port,
        settings.data_dir,
        settings.local_files_root,
        service.label_studio,
        is_container=Path("/.dockerenv").exists(),
        webhook_secret=needed_secret(settings),
    )


def needed_secret(settings: Settings) -> str | None:
    """What webhooks must bring; None if they are taken without it."""
    if not settings.basic_auth_user or settings.webhook_auth == "optional":
        return None
    return webhook_secret(settings.basic_auth_user, settings.basic_auth_pass)

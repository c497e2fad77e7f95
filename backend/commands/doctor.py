"""`python -m backend doctor`: checks an installation; each finding comes with its remedy."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from backend.commands.installation import Check, Installation
from backend.commands.label_studio_checks import check_label_studio
from backend.commands.local_checks import (
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


def check_installation(settings: Settings, project: str | None = None) -> list[Check]:
    """All findings for these settings; the parts are built as the service builds them."""
    service = Service(settings)
    try:
        return run_checks(replace(installation_of(service), project=project))
    finally:
        service.store.close()


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

"""`python -m backend doctor`: what stands between this installation and the first prediction."""

from pathlib import Path

from backend.commands.doctor_checks import Check, Installation, examine
from backend.errors import StoreError
from backend.service import Service
from backend.settings import Settings


def run_checks(settings: Settings) -> list[Check]:
    """Check the model, the store, Label Studio and the network between them."""
    service = Service(settings)
    try:
        return examine(installation_of(service))
    finally:
        service.store.close()


def installation_of(service: Service) -> Installation:
    """The parts as the service builds them; each is built when it is looked at."""
    settings = service.settings

    def describe_model() -> str:
        about = service.annotator.describe()
        return f"{about['model_version']} on {about['device']}, {about['precision']}"

    def describe_store() -> str:
        about = service.store.describe()
        if about["degraded"]:
            raise StoreError(about["degraded"])
        return f"{about['kind']} at {about['address']}"

    return Installation(
        describe_model,
        describe_store,
        settings.host,
        settings.port,
        settings.data_dir,
        settings.local_files_root,
        service.label_studio,
        is_container=Path("/.dockerenv").exists(),
    )

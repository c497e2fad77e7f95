"""`python -m backend doctor`: what stands between this installation and the first prediction."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.commands.doctor_checks import Check, Installation, examine
from backend.errors import StoreError
from backend.label_studio.client import LabelStudio
from backend.settings import Settings
from backend.store.store import open_store


def run_checks(settings: Settings) -> list[Check]:
    """Check the model, the store, Label Studio and the network between them."""
    with installation_of(settings) as installation:
        return examine(installation)


@contextmanager
def installation_of(settings: Settings) -> Iterator[Installation]:
    """The parts as the service would build them, closed at the end."""
    store = open_store(settings.redis_url or None, settings.data_dir)
    studio = LabelStudio(settings.label_studio_url, settings.label_studio_api_key or None)

    def describe_model() -> str:
        # Imported here: a broken installation of torch is a finding, not the doctor's end.
        from backend.metrics import Metrics
        from backend.wsgi import build_annotator

        about = build_annotator(settings, store, studio, Metrics()).describe()
        return f"{about['model_version']} on {about['device']}, {about['precision']}"

    def describe_store() -> str:
        about = store.describe()
        if about["degraded"]:
            raise StoreError(about["degraded"])
        return f"{about['kind']} at {about['address']}"

    try:
        yield Installation(
            describe_model,
            describe_store,
            settings.host,
            settings.port,
            settings.data_dir,
            settings.local_files_root,
            studio,
            is_container=Path("/.dockerenv").exists(),
        )
    finally:
        store.close()

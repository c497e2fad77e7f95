"""`python -m backend doctor`: checks an installation; each finding comes with its remedy."""

from dataclasses import replace

from backend.checks.checklist import installation_of, run_checks
from backend.checks.installation import Check
from backend.service import Service
from backend.settings import Settings


def check_installation(settings: Settings, project: str | None = None) -> list[Check]:
    """All findings for these settings; the parts are built as the service builds them."""
    service = Service(settings)
    try:
        return run_checks(replace(installation_of(service), project=project))
    finally:
        service.store.close()

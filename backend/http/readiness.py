"""Whether the service can predict, with what, and what is degraded: for /ready and the page."""

import os
from dataclasses import asdict
from typing import Any

from backend.http.agreement_rows import agreement_rows
from backend.http.degradations import degradations
from backend.service import Service

MAX_SET_ASIDE_ROWS = 20  # in /ready


def readiness(service: Service) -> dict[str, Any]:
    """The body of /ready: "status" is "ready", "loading" or "failed"."""
    state: dict[str, Any] = {
        "workers": workers_row(service),
        "store": service.store.describe(),
        "degraded": degradations(service),
        "failures": service.failures.as_json(),
        "set_aside": [asdict(one) for one in service.events.set_aside.newest(MAX_SET_ASIDE_ROWS)],
        "agreement": agreement_rows(service),
    }
    if not service.model_loaded.done():
        return {"status": "loading", **state}
    if error := service.model_loaded.exception():
        return {"status": "failed", "message": str(error), **state}
    state["background"] = service.background.rows()
    return {"status": "ready", **service.annotator.describe(), **state}


def workers_row(service: Service) -> dict[str, int]:
    """How many processes answer, and which one answers now."""
    group = service.group
    if group is None:
        n_ready = int(service.is_model_loaded)
        return {"number": 1, "ready": n_ready, "answering": os.getpid()}
    return {"number": group.n_workers, "ready": len(group.ready()), "answering": os.getpid()}

"""The block that `serve` prints when the service is ready."""

from backend.http.degradations import degradations
from backend.listen_address import local_url
from backend.service import Service
from backend.worker_group import worker_group


def start_block(service: Service) -> str:
    """Model, device, store, data folder, the URL to connect, and what is degraded."""
    settings = service.settings
    model, store = service.annotator.describe(), service.store.describe()
    url = local_url(settings.host, settings.port)
    rows = [
        ("model", model["model_version"]),
        ("tower", model["tower"]),
        ("device", f"{model['device']}, {model['precision']}"),
        *workers_row(),
        ("store", f"{store['kind']} at {store['address']}"),
        ("data", str(settings.data_dir)),
        *([("page", f"open {url} in a browser")] if settings.playground == "on" else []),
        ("connect", f"paste {url} in Label Studio: Settings > Model > Connect Model"),
    ]
    rows += [("degraded", sentence) for sentence in degradations(service)]
    lines = [f"  {name:<10}{text}" for name, text in rows]
    return "\n".join(["", "  Firstpass is ready", *lines, ""])


def workers_row() -> list[tuple[str, str]]:
    group = worker_group()
    if group is None:
        return []
    return [("workers", f"{group.n_workers}, each with a model of its own; the others follow")]

"""What a person wants to know when the service is up, in one block."""

from backend.http.degradations import degradations
from backend.service import Service
from backend.settings import Settings


def start_block(service: Service) -> str:
    settings, about, kept = service.settings, service.annotator.describe(), service.store.describe()
    rows = [
        ("model", f"{about['model_version']}"),
        ("device", f"{about['device']}, {about['precision']}"),
        ("store", f"{kept['kind']} at {kept['address']}"),
        ("data", str(settings.data_dir)),
        ("connect", f"paste {own_url(settings)} in Label Studio: Settings > Model > Connect Model"),
    ]
    rows += [("degraded", sentence) for sentence in degradations(service)]
    lines = [f"  {name:<10}{text}" for name, text in rows]
    return "\n".join(["", "  Firstpass is ready", *lines, ""])


def own_url(settings: Settings) -> str:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    return f"http://{host}:{settings.port}"

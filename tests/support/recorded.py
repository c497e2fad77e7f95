"""Requests that Label Studio 1.23.2 really sent."""

import json
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[1] / "fixtures"
RECORDED = FIXTURES / "label_studio_1.23"
REQUEST_NAMES = sorted(path.stem for path in RECORDED.glob("*.json"))
EVENT_NAMES = [name for name in REQUEST_NAMES if name.startswith("webhook_")]


def recorded(name: str) -> dict[str, Any]:
    """One request: method, path, headers, body, raw_body."""
    request: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())
    return request


def recorded_body(name: str) -> Any:
    return recorded(name)["body"]

"""Bodies of requests as Label Studio sends them."""

from typing import Any

from tests.support.label_configs import CAT_ALIAS_DOG_CONFIG


def predict_body(*uris: str, **params: Any) -> dict[str, Any]:
    """A /predict of one task for each image."""
    return {
        "tasks": [{"id": n, "data": {"image": uri}} for n, uri in enumerate(uris, 1)],
        "label_config": CAT_ALIAS_DOG_CONFIG,
        "project": "1.1795366020",
        "params": {"login": None, "password": None, "context": None, **params},
    }


def click(x: float, y: float, label: str = "Cat", **more: Any) -> dict[str, Any]:
    """A key point at percents of the image, in a context."""
    value = {"x": x, "y": y, "width": 0.2, "keypointlabels": [label]}
    return {"type": "keypointlabels", "to_name": "image", "id": f"{x},{y}", "value": value, **more}


def box(x: float, y: float, width: float, height: float, label: str = "Cat") -> dict[str, Any]:
    """A rectangle at percents of the image, in a context."""
    value = {"x": x, "y": y, "width": width, "height": height, "rectanglelabels": [label]}
    return {"type": "rectanglelabels", "to_name": "image", "id": "box", "value": value}

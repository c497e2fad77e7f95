"""A digest of what predictions depend on in a labeling config, for `model_version`.

It covers what `read_controls` finds: names, kinds and images of the controls, and of each label
its value, alias, hint and synonyms. Colors, hotkeys, titles, layout and other tags are not in it,
so that editing them has no task predicted again.
"""

import hashlib
import json
from dataclasses import MISSING, fields
from typing import Any

from backend.errors import LabelConfigError
from backend.label_studio.config_cache import ConfigCache
from backend.label_studio.controls import read_controls


def config_digest(label_config: str) -> str:
    """16 hex digits; "" for a config for which nothing can be painted."""
    try:
        return _digest(label_config)
    except LabelConfigError:
        return ""


def _compute_digest(label_config: str) -> str:
    controls = read_controls(label_config)
    text = json.dumps(controls, default=_changed_fields, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


_digest = ConfigCache(_compute_digest, max_bytes=2**20)


def _changed_fields(part: Any) -> dict[str, Any]:
    """The fields of a Control or LabelSpec that differ from their defaults.

    So a field that a release adds, whose default changes nothing, changes no digest. `attrs`, the
    XML as it is written, is left out: what counts of it has a field of its own.
    """
    found = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if field.name != "attrs" and (field.default is MISSING or value != field.default):
            found[field.name] = value
    return found

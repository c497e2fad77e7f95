"""The feature space of a method: a short name for the features that its lessons are made of.

Stored lessons are of use only where the features mean the same. The name is a digest of the
method's windows and encoder as canonical text: one line for each value that differs from its
default, sorted, such as

    encoder.last_block.attention='identity+qq'
    encoder.tower.positions='bicubic'
    windows.global_view_px=196

So a field that is added, whose default changes nothing, orphans no lesson, and neither does a
change of the decision. A default must not be changed, nor a field renamed, without an entry in
PUBLISHED; tests/model/test_feature_space.py checks both. Code that computes other features from the
same values needs a value of its own, too: a new name of a path, or a field.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from model.methods import MethodConfig

# Version 0.1 named spaces by another digest, of all fields. The presets compute the same features
# as then, so lessons that were stored with it are found under its names: digest now -> digest then.
PUBLISHED = {
    "624bf047": "962b4fc9",  # clip
    "b6cdf5ce": "c7e71ac4",  # maskclip
    "66107623": "55d93995",  # sclip
    "0ae4e449": "57b0c547",  # clearclip
    "58284dfc": "6d52b04c",  # naclip
    "fc19a922": "fff91f35",  # gem
    "4c46a24a": "bae84d46",  # itaclip
    "dd04ab92": "17041b96",  # resclip
    "0a392448": "d083e176",  # gclip
    "97f9041e": "cda481dc",  # sc-clip
    "a414f363": "338e2781",  # rf-clip
    "a1f469ba": "dd9edcce",  # pearl
    "11caa710": "29bf67ba",  # sfp
    "6eb6a5b7": "aa358e0b",  # clip-surgery
    "056b7117": "3d6f586e",  # firstpass
}


def feature_space(method: MethodConfig) -> str:
    """8 hex digits that name the features of a method, for one checkpoint."""
    digest = _digest(feature_text(method), size=4)
    return PUBLISHED.get(digest, digest)


def feature_text(method: MethodConfig) -> str:
    """The canonical text of what shapes the features: windows and encoder."""
    return _canonical_text(windows=method.windows, encoder=method.encoder)


def method_digest(method: MethodConfig) -> str:
    """6 hex digits of all settings of a method, whatever its name."""
    parts = {"windows": method.windows, "encoder": method.encoder, "decision": method.decision}
    return _digest(_canonical_text(**parts), size=3)


def _canonical_text(**configs: Any) -> str:
    lines = [line for name, config in configs.items() for line in _changed_values(config, name)]
    return "\n".join(sorted(lines))


def _changed_values(config: Any, name: str) -> Iterator[str]:
    """`name=value` of each field of a nested dataclass that differs from its default."""
    default = type(config)()
    for field in fields(config):
        value, full_name = getattr(config, field.name), f"{name}.{field.name}"
        if is_dataclass(value):
            yield from _changed_values(value, full_name)
        elif value != getattr(default, field.name):
            yield f"{full_name}={value!r}"


def _digest(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode()).hexdigest()[: 2 * size]

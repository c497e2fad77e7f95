"""What the model side refuses, and what to do about it.

ModelError(ValueError)
├── CheckpointError   weights or a config that cannot be loaded or used
└── MethodError       a method, a part of one or a setting that is unknown or cannot be used
"""

from collections.abc import Iterable


class ModelError(ValueError):
    """An expected failure: its text says what was given, what is needed, and the cure."""


class CheckpointError(ModelError):
    pass


class MethodError(ModelError):
    pass


def unknown_name(kind: str, name: str, known: Iterable[str]) -> MethodError:
    """The error for a name that is in no dict of variants; it lists those that are."""
    return MethodError(f"Unknown {kind} '{name}'. Known: {', '.join(known)}.")

"""What the model side refuses, and what to do about it.

ModelError(ValueError)
├── CheckpointError   weights or a config that cannot be loaded or used
├── MethodError       an unknown method, attention, refiner or template set
└── VocabularyError   class prompts that cannot be used
"""

from collections.abc import Iterable


class ModelError(ValueError):
    """An expected failure: its text says what was given, what is needed, and the cure."""


class CheckpointError(ModelError):
    pass


class MethodError(ModelError):
    pass


class VocabularyError(ModelError):
    pass


def unknown_name(kind: str, name: str, known: Iterable[str]) -> MethodError:
    """The error for a name that is in no dict of variants; it lists those that are."""
    return MethodError(f"Unknown {kind} '{name}'. Known: {', '.join(known)}.")

"""What predictions and /ready ask of a project's lessons: its versions, and how they are used."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.memory.agreement import VersionAgreement

NEWEST, NONE = "newest", "none"  # values of `memory_version` beside a version's number


@dataclass(frozen=True)
class ProjectSummary:
    versions: tuple[tuple[str, tuple[str, ...]], ...] = ()  # name, feature spaces; oldest first
    changes: int = 0  # changed annotations since the newest version
    annotations: int = 0  # with lessons
    spaces: Mapping[str, int] = field(default_factory=dict)  # feature space -> annotations
    agreement: tuple[VersionAgreement, ...] = ()  # with each version that was shown, newest first

    def select_version(self, pinned: str) -> tuple[str, tuple[str, ...]]:
        """Name and feature spaces of the pinned version; of the newest if that one is not kept.

        ("", ()) if there is no version, or `pinned` is "none".
        """
        if pinned == NONE or not self.versions:
            return "", ()
        by_number = {name.split("-")[0]: (name, spaces) for name, spaces in self.versions}
        return by_number.get(pinned.split("-")[0], self.versions[-1])

    def unused_warning(self, pinned: str, space: str) -> str | None:
        """Why lessons are not used as the user may expect, as one sentence; None if they are."""
        name, _ = self.select_version(pinned)
        if pinned not in (NEWEST, NONE) and name.split("-")[0] != pinned.split("-")[0]:
            kept = ", ".join(name for name, _ in self.versions) or "none"
            return (
                f"memory_version {pinned} is not kept (kept: {kept}): the newest is used. "
                'Set extra_params {"memory_version": "newest"}, or one that is kept.'
            )
        foreign = sum(count for other, count in self.spaces.items() if other != space)
        if foreign and pinned != NONE:
            return (
                f"{foreign} of {self.annotations} corrections were learned with another checkpoint "
                "or method, and are not used now. They count again when that is set again; "
                "`python -m backend memory learn` has them learned anew."
            )
        return None

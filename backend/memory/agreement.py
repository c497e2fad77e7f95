"""How far annotations agree with what was shown for them: of one annotation, and by version.

Pure data with a JSON form: each annotation's is kept in the lesson index, and so goes with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

MAX_VERSIONS = 10  # of a project, those with the newest annotations
IOU_DIGITS = 4


@dataclass(frozen=True)
class ShownBy:
    """What made a prediction."""

    model_version: str  # as Label Studio knows it
    lessons_version: str  # Version.name of the lessons that it used; "" for none


@dataclass(frozen=True)
class Agreement:
    """Of one annotation, over all controls and pages that it was learned from."""

    shown_by: ShownBy
    labels: int  # that were compared: those predicted, and those of the annotation
    iou_sum: float  # over these, of the person's mask and the predicted one
    kept: int  # regions as they were predicted
    changed: int
    deleted: int
    added: int

    @property
    def regions(self) -> dict[str, int]:
        return {"kept": self.kept, "changed": self.changed, "deleted": self.deleted,
                "added": self.added}  # fmt: skip

    @property
    def iou(self) -> float:
        return self.iou_sum / self.labels


@dataclass(frozen=True)
class VersionAgreement:
    """Of all annotations for which one version's predictions were shown."""

    model_version: str
    annotations: int
    iou: float  # mean over all labels of these annotations
    kept: int
    changed: int
    deleted: int
    added: int
    newest_us: int  # Label Studio's updated_at of the newest annotation, microseconds since 1970


class HasAgreement(Protocol):
    """Such as AnnotationLessons."""

    @property
    def updated_us(self) -> int: ...
    @property
    def agreement(self) -> Agreement | None: ...


def join_pages(pages: Iterable[Agreement | None]) -> Agreement | None:
    """The agreement of an annotation from those of its pages.

    None if none was compared, no label is on any, or they were predicted by different versions.
    """
    found = [page for page in pages if page is not None]
    if len({page.shown_by for page in found}) != 1 or not any(page.labels for page in found):
        return None
    return Agreement(
        found[0].shown_by,
        labels=sum(page.labels for page in found),
        iou_sum=round(sum(page.iou_sum for page in found), IOU_DIGITS),
        kept=sum(page.kept for page in found),
        changed=sum(page.changed for page in found),
        deleted=sum(page.deleted for page in found),
        added=sum(page.added for page in found),
    )


def by_version(annotations: Iterable[HasAgreement]) -> tuple[VersionAgreement, ...]:
    """The versions that were shown, that with the newest annotation first."""
    found: dict[str, list[tuple[int, Agreement]]] = {}
    for one in annotations:
        if one.agreement is not None:
            name = one.agreement.shown_by.model_version
            found.setdefault(name, []).append((one.updated_us, one.agreement))
    versions = [_of_version(name, members) for name, members in found.items()]
    versions.sort(key=lambda one: one.newest_us, reverse=True)
    return tuple(versions[:MAX_VERSIONS])


def _of_version(name: str, members: list[tuple[int, Agreement]]) -> VersionAgreement:
    agreements = [agreement for _, agreement in members]
    n_labels = sum(one.labels for one in agreements)
    return VersionAgreement(
        name,
        annotations=len(agreements),
        iou=round(sum(one.iou_sum for one in agreements) / max(n_labels, 1), IOU_DIGITS),
        kept=sum(one.kept for one in agreements),
        changed=sum(one.changed for one in agreements),
        deleted=sum(one.deleted for one in agreements),
        added=sum(one.added for one in agreements),
        newest_us=max(updated_us for updated_us, _ in members),
    )

"""How far annotations agree with what was shown for them: of one annotation, and by version.

Pure data with a JSON form: each annotation's is kept in the lesson index, and so goes with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

MAX_VERSIONS = 10  # of a project, those with the newest annotations; older ones are not counted
IOU_DIGITS = 4
SUMS = ("labels", "iou_sum")  # of VersionAgreement, which shows their quotient

# What JSON, Lua and the scores of a sorted set all keep as it is.
Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
Sum = Annotated[float, Field(allow_inf_nan=False)]  # which JSON has no word for


@dataclass(frozen=True)
class ShownBy:
    """What made a prediction."""

    model_version: str  # as Label Studio knows it
    lessons_version: str  # Version.name of the lessons that it used; "" for none


@dataclass(frozen=True)
class Agreement:
    """Of one annotation, over all controls and pages that it was learned from."""

    shown_by: ShownBy
    labels: Whole  # that were compared: those predicted, and those of the annotation
    iou_sum: Sum  # over these, of the person's mask and the predicted one
    kept: Whole  # regions as they were predicted
    changed: Whole
    deleted: Whole
    added: Whole

    @property
    def regions(self) -> dict[str, int]:
        return {"kept": self.kept, "changed": self.changed, "deleted": self.deleted,
                "added": self.added}  # fmt: skip

    @property
    def iou(self) -> float:
        return self.iou_sum / max(self.labels, 1)


@dataclass(frozen=True)
class VersionAgreement:
    """Of all annotations for which one version's predictions were shown."""

    model_version: str
    annotations: Whole = 0
    labels: Whole = 0  # of these annotations
    iou_sum: Sum = 0.0  # over these labels
    kept: Whole = 0
    changed: Whole = 0
    deleted: Whole = 0
    added: Whole = 0
    newest_us: Whole = 0  # Label Studio's updated_at of the newest annotation so far, microseconds

    @property
    def iou(self) -> float:
        return round(self.iou_sum / max(self.labels, 1), IOU_DIGITS)

    def as_json(self) -> dict[str, Any]:
        """As /ready shows it."""
        found = {name: each for name, each in vars(self).items() if name not in SUMS}
        return {**found, "iou": self.iou}


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


class AgreementTotals:
    """Sums by the version that was shown, changed one annotation at a time."""

    def __init__(self, versions: Iterable[VersionAgreement]) -> None:
        self._found = {one.model_version: one for one in versions}

    def add(self, agreement: Agreement, updated_us: int, sign: int = 1) -> None:
        """Count an annotation, or with -1 take it out."""
        name = agreement.shown_by.model_version
        known = self._found.get(name) or VersionAgreement(name)
        if sign < 0 and name not in self._found:
            return  # no longer kept
        labels = known.labels + sign * agreement.labels
        found = VersionAgreement(
            name,
            annotations=known.annotations + sign,
            labels=labels,
            iou_sum=round(known.iou_sum + sign * agreement.iou_sum, IOU_DIGITS),
            kept=known.kept + sign * agreement.kept,
            changed=known.changed + sign * agreement.changed,
            deleted=known.deleted + sign * agreement.deleted,
            added=known.added + sign * agreement.added,
            newest_us=max(known.newest_us, updated_us),
        )
        self._found[name] = found
        if found.annotations <= 0:
            del self._found[name]

    def kept(self) -> list[VersionAgreement]:
        """Those with the newest annotations, the newest first."""
        newest_first = sorted(self._found.values(), key=lambda one: -one.newest_us)
        return newest_first[:MAX_VERSIONS]

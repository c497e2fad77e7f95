"""The settings that `tune` tries: for each step of the search the values of one field.

Steps follow the data: features, then words, then what is made of their probabilities. So nothing is
chosen on top of a value that a later step replaces, and what costs most, other features, comes
first. Only what extra params can say is tried, and nothing that needs data of elsewhere.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.label_studio.controls import Control
from backend.label_studio.project_settings import ProjectSettings
from model import REFINERS, TEMPLATES, synonyms_from_word_lists

# All of METHODS: those first that did best in benchmarks.ablate, then the slow ones, which a limit
# of minutes may leave out.
METHOD_ORDER = (
    "firstpass", "maskclip", "sfp", "sc-clip", "naclip", "pearl", "sclip", "clip", "clearclip",
    "rf-clip", "gclip", "clip-surgery", "resclip", "gem", "itaclip",
)  # fmt: skip
VALUES: dict[str, Sequence[Any]] = {
    "method": METHOD_ORDER,
    "auto_negatives": (True, False),
    "templates": (None, *TEMPLATES),
    "synonym_reduction": ("max", "mean"),
    "description_weight": (None, 0.0, 0.1, 0.2, 0.4),
    "logit_scale": (None, "auto", 20.0, 30.0, 40.0, 60.0, 100.0),
    "refiner": (None, *REFINERS),
    "prob_threshold": (None, "auto", 0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "area_threshold": (None, "auto", 0.0, 0.003, 0.01, 0.03),
    "min_score": (0.0, 0.15, 0.3, 0.5),
    "min_region_px": (0, 16, 64, 256, 1024),
}


@dataclass(frozen=True)
class Step:
    name: str  # a field of ProjectSettings
    variants: Callable[[ProjectSettings], Iterator[tuple[str, ProjectSettings]]]  # with a name each


def steps_for(
    controls: Sequence[Control], today: ProjectSettings, *, keeps_method: bool
) -> list[Step]:
    """The steps that can change a prediction of these controls, in their order."""
    labels = [label for control in controls for label in control.labels]
    has_descriptions = bool(today.descriptions) or any(label.hint for label in labels)
    more_words = synonyms_from_word_lists([label.value for label in labels])
    has_synonyms = bool(today.synonyms) or any(label.synonyms for label in labels)
    is_useless = {
        "method": keeps_method,
        "synonym_reduction": not (has_synonyms or more_words),
        "description_weight": not has_descriptions,
    }
    steps = [values_of(name) for name in VALUES if not is_useless.get(name)]
    if more_words:
        before = [step.name for step in steps].index("templates")
        steps.insert(before, synonyms_step(more_words))
    return steps


def values_of(name: str) -> Step:
    def variants(settings: ProjectSettings) -> Iterator[tuple[str, ProjectSettings]]:
        for value in VALUES[name]:
            shown = "the method's" if value is None else value
            yield f"{name} {shown}", settings.model_copy(update={name: value})

    return Step(name, variants)


def synonyms_step(words: Mapping[str, tuple[str, ...]]) -> Step:
    """Words of the lists for all labels that have none in the settings, and for each of them."""

    def variants(settings: ProjectSettings) -> Iterator[tuple[str, ProjectSettings]]:
        own = settings.synonyms
        new = {label: more for label, more in words.items() if label not in own}
        choices = {"of word lists": new} if new else {}
        if len(new) > 1:
            choices |= {f"of word lists for {label}": {label: new[label]} for label in new}
        for what, chosen in choices.items():
            yield f"synonyms {what}", settings.model_copy(update={"synonyms": {**own, **chosen}})

    return Step("synonyms", variants)

"""What a project may choose for a request, and how that becomes a method."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from model.errors import MethodError, unknown_name
from model.methods import MethodConfig, get_method
from model.refine.refiners import REFINERS
from model.text.templates import TEMPLATES

SYNONYM_REDUCTIONS = ("max", "mean")
AUTOMATIC = ("logit_scale", "prob_threshold", "area_threshold")
RANGES = {
    "logit_scale": (1.0, 1000.0),
    "prob_threshold": (0.0, 1.0),
    "area_threshold": (0.0, 1.0),
    "description_weight": (0.0, 1.0),
}
Automatic = Literal["auto"]


@dataclass(frozen=True)
class SegmentSettings:
    """None leaves a choice to the method; "auto" to the image at hand."""

    method: str | MethodConfig = "firstpass"  # a name in METHODS, or a method of one's own
    refiner: str | None = None
    templates: str | None = None
    logit_scale: float | Automatic | None = None  # 1..1000
    prob_threshold: float | Automatic | None = None  # 0..1
    area_threshold: float | Automatic | None = None  # 0..1
    description_weight: float | None = None  # 0..1
    synonym_reduction: str | None = None  # "max" or "mean"

    def resolve(self) -> MethodConfig:
        """The method with these settings in it; MethodError names what is wrong."""
        changes: dict[str, Any] = {
            name: self._checked(name, value)
            for name, value in vars(self).items()
            if name != "method" and value is not None
        }
        if self.templates not in (None, "imagenet80"):  # the words of a domain, for negatives too
            changes["negative_templates"] = self.templates
        own = self.method if isinstance(self.method, MethodConfig) else get_method(self.method)
        method = replace(own, **changes)
        if method.refiner not in REFINERS:
            raise unknown_name("refiner", method.refiner, REFINERS)
        if method.templates not in TEMPLATES:
            raise unknown_name("template set", method.templates, TEMPLATES)
        if method.synonym_reduction not in SYNONYM_REDUCTIONS:
            raise unknown_name("synonym reduction", method.synonym_reduction, SYNONYM_REDUCTIONS)
        return method

    @staticmethod
    def _checked(name: str, value: object) -> object:
        """The value of a setting as the method has it: None for "auto"."""
        if name in AUTOMATIC and value == "auto":
            return None
        if name in RANGES:
            low, high = RANGES[name]
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not low <= value <= high:  # type: ignore[operator]
                or_auto = ' or "auto"' if name in AUTOMATIC else ""
                raise MethodError(
                    f"{name} is {value!r}; it must be a number from {low:g} to {high:g}{or_auto}."
                )
        return value


# What is decided after the features are there; all other settings shape them.
_AFTER_FEATURES = (
    "name", "templates", "negative_templates", "logit_scale", "synonym_reduction",
    "description_weight", "class_surgery", "class_logit_share", "whole_share", "core_above",
    "presence_share", "propagation_cells", "purifier", "purify_below", "prob_threshold",
    "area_threshold", "refiner",
)  # fmt: skip


def feature_setting(method: MethodConfig) -> tuple[tuple[str, object], ...]:
    """The part of a method that shapes the features."""
    return tuple((key, value) for key, value in vars(method).items() if key not in _AFTER_FEATURES)

"""What a project may choose for a request, and the method that results.

The type aliases are for whoever validates the same choices (a service's own settings): each range
and each list of names is stated here alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, InstanceOf, TypeAdapter, ValidationError

from model.errors import MethodError, unknown_name
from model.methods import METHODS, MethodConfig
from model.refine.refiners import REFINERS
from model.scoring.decision import DecisionConfig
from model.text.class_embeds import SYNONYM_REDUCTIONS
from model.text.templates import TEMPLATES


def _one_of(kind: str, known: Iterable[str]) -> BeforeValidator:
    """Validates a name; MethodError lists those that are known."""

    def check(name: Any) -> str:
        if not isinstance(name, str) or name not in known:
            raise unknown_name(kind, name, known)
        return name

    return BeforeValidator(check)


MethodName = Annotated[str, _one_of("method", METHODS)]
RefinerName = Annotated[str, _one_of("refiner", REFINERS)]
TemplateSetName = Annotated[str, _one_of("template set", TEMPLATES)]
SynonymReduction = Annotated[str, _one_of("synonym reduction", SYNONYM_REDUCTIONS)]
LogitScale = Annotated[float, Field(strict=True, ge=1, le=1000, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Automatic = Literal["auto"]  # chosen by the image at hand


@dataclass(frozen=True)
class SegmentSettings:
    """None leaves a choice to the method. Validated by `resolve`."""

    method: MethodName | InstanceOf[MethodConfig] = "firstpass"  # or a method of one's own
    refiner: RefinerName | None = None
    templates: TemplateSetName | None = None
    logit_scale: LogitScale | Automatic | None = None
    prob_threshold: Share | Automatic | None = None
    area_threshold: Share | Automatic | None = None
    description_weight: Share | None = None
    synonym_reduction: SynonymReduction | None = None

    def resolve(self) -> MethodConfig:
        """The method with these settings in it; MethodError names what cannot be used."""
        try:
            chosen = _SETTINGS.validate_python(vars(self))
        except ValidationError as error:
            raise _as_method_error(error) from None
        method = METHODS[chosen.method] if isinstance(chosen.method, str) else chosen.method
        return replace(method, decision=chosen._decision(method))

    def _decision(self, method: MethodConfig) -> DecisionConfig:
        decision = method.decision
        # The words of a domain suit the negatives, too; 80 prompts for each of them take too long.
        negative_templates = None if self.templates == "imagenet80" else self.templates
        return replace(
            decision,
            prompts=replace(
                decision.prompts,
                **_chosen(
                    templates=self.templates,
                    negative_templates=negative_templates,
                    synonym_reduction=self.synonym_reduction,
                    description_weight=self.description_weight,
                ),
            ),
            logits=replace(decision.logits, **_chosen(logit_scale=self.logit_scale)),
            thresholds=replace(
                decision.thresholds,
                **_chosen(prob=self.prob_threshold, area=self.area_threshold),
            ),
            refiner=self.refiner or decision.refiner,
            taught_refiners=() if self.refiner else decision.taught_refiners,
        )


_SETTINGS = TypeAdapter(SegmentSettings)
_SCHEMA = _SETTINGS.json_schema()["properties"]


def _chosen(**values: Any) -> dict[str, Any]:
    """The values that a config gets: None was not chosen, and "auto" is None there."""
    return {
        name: None if value == "auto" else value
        for name, value in values.items()
        if value is not None
    }


def _as_method_error(error: ValidationError) -> MethodError:
    """The first error in our own words."""
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, MethodError):
        return cause
    name = str(first["loc"][0])
    options = _SCHEMA[name]["anyOf"]
    number = next(option for option in options if option.get("type") == "number")
    or_auto = ' or "auto"' if any(option.get("const") == "auto" for option in options) else ""
    return MethodError(
        f"{name} is {first['input']!r}; it must be a number from {number['minimum']:g} to "
        f"{number['maximum']:g}{or_auto}."
    )

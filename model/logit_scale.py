"""The logit scale (inverse temperature) of cosine logits: given, or by their spread."""

from torch import Tensor

# Standard deviation over the rows that scaled logits are given, and the scales that this may take.
# Heuristics of ours; `benchmarks.ablate ladder --only temperature` measures them.
TARGET_SPREAD = 1.5
SCALE_RANGE = (10.0, 200.0)


def logit_scale_of(logits: Tensor, logit_scale: float | None) -> float:
    """`logit_scale` itself, or for None the automatic one of cosine logits (R, …)."""
    return automatic_logit_scale(logits) if logit_scale is None else logit_scale


def automatic_logit_scale(logits: Tensor) -> float:
    """TARGET_SPREAD over the mean of the rows' standard deviation, of cosine logits (R, …).

    Checkpoints differ in the range of their cosines; scaled by this, all have the same spread.
    """
    low, high = SCALE_RANGE
    if len(logits) < 2:
        return low
    spread = float(logits.std(dim=0).mean())
    return min(high, max(low, TARGET_SPREAD / max(spread, 1e-6)))

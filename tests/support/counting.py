"""What a part has counted, as a test compares it."""

from backend.metrics import Counts


def counted(counts: Counts) -> dict[str, int]:
    """Without the kinds that did not occur."""
    return {kind: number for kind, number in counts.as_dict().items() if number}

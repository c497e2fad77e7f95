"""What both towers' training loops share: the learning rate's course, and checkpoints."""

from pathlib import Path

import torch


def cosine(step: int, steps: int, warmup: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (
        1 + float(torch.cos(torch.tensor(torch.pi * (step - warmup) / max(1, steps - warmup))))
    )


def save(state: dict | torch.Tensor, path: Path) -> None:
    """Written whole or not at all: a run may be killed at any time."""
    partial_path = path.with_suffix(".partial")
    torch.save(state, partial_path)
    partial_path.replace(path)

"""The course of a training run that both towers share: learning rate, log, checkpoints."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn


@dataclass
class TrainingRun:
    """Steps of one model, resumed from its last checkpoint; a run may be killed at any time.

    The checkpoint is FOLDER/NAME.pt, the log FOLDER/NAME.log with one JSON object a line.
    """

    name: str
    folder: Path
    model: nn.Module
    optimizer: torch.optim.Optimizer
    steps: int  # of the whole run
    samples_a_step: int
    log_every: int  # steps
    save_every_s: float
    device: str
    step: int = 0
    first_step: int = 0
    started_s: float = field(default_factory=time.monotonic)
    saved_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if self.checkpoint.exists():
            saved = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            self.model.load_state_dict(saved["tower"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.step = self.first_step = saved["step"]

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.name}.pt"

    @property
    def is_done(self) -> bool:
        return self.step >= self.steps

    def set_learning_rates(self, rates: list[float], warmup_steps: int) -> None:
        """The rate of each parameter group, by the cosine schedule at this step."""
        share = cosine(self.step, self.steps, warmup_steps)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * share

    def finish_step(self, measured: Callable[[], dict[str, Any]]) -> None:
        """Count a step; log what it measured and save, where it is time for that."""
        self.step += 1
        if self.step % self.log_every == 0 or self.is_done:
            samples = (self.step - self.first_step) * self.samples_a_step
            rate = round(samples / (time.monotonic() - self.started_s), 1)
            line = {"step": self.step, "of": self.steps, **measured(), "samples_a_s": rate}
            with (self.folder / f"{self.name}.log").open("a") as log:
                log.write(json.dumps(line) + "\n")
            print(line, flush=True)
        if time.monotonic() - self.saved_s > self.save_every_s or self.is_done:
            state = {"tower": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
            save({**state, "step": self.step}, self.checkpoint)
            self.saved_s = time.monotonic()


def cosine(step: int, steps: int, warmup: int) -> float:
    """Share of the learning rate, 0..1: linear over the warm-up, then half a cosine down to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (
        1 + float(torch.cos(torch.tensor(torch.pi * (step - warmup) / max(1, steps - warmup))))
    )


def save(state: dict[str, Any] | torch.Tensor, path: Path) -> None:
    """Written whole or not at all: a run may be killed at any time."""
    partial_path = path.with_suffix(".partial")
    torch.save(state, partial_path)
    partial_path.replace(path)

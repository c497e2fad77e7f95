"""The course of a training run: learning rate, log, and going on after it was killed."""

import json

import pytest
import torch

from model.starter.train.training_run import TrainingRun, cosine


def start(folder, steps):
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    return TrainingRun(
        "linear", folder, model, optimizer, steps, samples_a_step=4, log_every=2,
        save_every_s=1e9, device="cpu",
    )  # fmt: skip


def go_on(run):
    while not run.is_done:
        run.set_learning_rates([0.1], warmup_steps=1)
        run.optimizer.zero_grad()
        loss = run.model(torch.ones(1, 2)).square().sum()
        loss.backward()
        run.optimizer.step()
        run.finish_step(lambda loss=loss: {"loss": loss.item()})


def test_the_learning_rate_warms_up_and_ends_at_zero():
    assert cosine(0, 100, 10) == pytest.approx(0.1)
    assert cosine(10, 100, 10) == pytest.approx(1.0)
    assert cosine(100, 100, 10) == pytest.approx(0.0, abs=1e-6)


def test_a_run_goes_on_from_its_checkpoint(tmp_path):
    go_on(start(tmp_path, steps=3))
    resumed = start(tmp_path, steps=5)
    assert resumed.step == 3
    saved = torch.load(resumed.checkpoint, weights_only=True)["tower"]
    assert torch.equal(resumed.model.weight, saved["weight"])
    go_on(resumed)
    assert torch.load(resumed.checkpoint, weights_only=True)["step"] == 5
    assert start(tmp_path, steps=5).is_done


def test_every_few_steps_and_the_last_are_logged(tmp_path):
    go_on(start(tmp_path, steps=5))
    lines = [json.loads(line) for line in (tmp_path / "linear.log").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 5]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert {"of", "samples_a_s"} < set(lines[0])


def test_no_half_written_checkpoint_is_left(tmp_path):
    go_on(start(tmp_path, steps=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["linear.log", "linear.pt"]

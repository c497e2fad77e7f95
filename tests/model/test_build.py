"""Device and precision of the model."""

from functools import partial

import pytest
import torch

from model import CheckpointError
from model.build import ACCELERATORS, best_device, choose_device, choose_precision


def test_devices_and_precisions_are_checked():
    cpu = torch.device("cpu")
    assert choose_device("cpu") == cpu
    assert choose_precision("auto", cpu) is None
    assert choose_precision("bfloat16", cpu) is torch.bfloat16
    with pytest.raises(CheckpointError, match=r"Device 'gpu' cannot be used.*cuda, xpu or mps"):
        choose_device("gpu")
    with pytest.raises(CheckpointError, match="Unknown precision 'fp8'"):
        choose_precision("fp8", cpu)


@pytest.mark.parametrize(
    ("there", "best"),
    [
        ({"cuda", "xpu", "mps"}, "cuda"),
        ({"xpu", "mps"}, "xpu"),
        ({"mps"}, "mps"),
        (set(), "cpu"),
    ],
)
def test_auto_prefers_cuda_then_xpu_then_mps(there, best):
    assert best_device({name: partial(there.__contains__, name) for name in ACCELERATORS}) == best


def test_auto_is_a_device_that_this_machine_has():
    torch.zeros(1, device=choose_device("auto"))

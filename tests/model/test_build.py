"""Device of the model."""

from functools import partial

import pytest
import torch

from model import CheckpointError
from model.build import ACCELERATORS, best_device, choose_device


def test_a_device_that_cannot_be_used_is_refused_with_the_remedy():
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(CheckpointError, match=r"Device 'gpu' cannot be used.*cuda, xpu or mps"):
        choose_device("gpu")


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

"""Errors of real allocations that cannot succeed are told from others."""

import numpy as np
import pytest
import torch

from model import is_out_of_memory

FAR_TOO_MANY = 2**50


@pytest.mark.parametrize("allocate", [torch.empty, np.empty, bytearray])
def test_an_array_for_which_there_is_no_memory_is_told(allocate):
    with pytest.raises((RuntimeError, MemoryError)) as raised:
        allocate(FAR_TOO_MANY)
    assert is_out_of_memory(raised.value)


def test_what_a_gpu_and_threads_raise_is_told():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate …"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert is_out_of_memory(RuntimeError("can't start new thread"))


@pytest.mark.parametrize("error", [RuntimeError("shapes cannot be multiplied"), ValueError("x")])
def test_other_errors_are_not(error):
    assert not is_out_of_memory(error)

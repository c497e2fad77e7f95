"""Errors of real allocations that cannot succeed are told from others."""

import cv2
import numpy as np
import pytest
import torch

from model import is_out_of_memory

FAR_TOO_MANY = 2**50


def enlarge(n_pixels: int) -> None:
    cv2.resize(np.zeros((2, 2), np.uint8), (2**25, n_pixels // 2**25))


@pytest.mark.parametrize("allocate", [torch.empty, np.empty, bytearray, enlarge])
def test_an_array_for_which_there_is_no_memory_is_told(allocate):
    with pytest.raises((RuntimeError, MemoryError, cv2.error)) as raised:
        allocate(FAR_TOO_MANY)
    assert is_out_of_memory(raised.value)


def test_what_a_gpu_and_threads_raise_is_told():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate …"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert is_out_of_memory(RuntimeError("can't start new thread"))


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes cannot be multiplied"), ValueError("x"), cv2.error("no code")]
)
def test_other_errors_are_not(error):
    assert not is_out_of_memory(error)

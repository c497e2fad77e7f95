"""Whether an error says that no memory was left: PyTorch and NumPy each have their own."""

import torch

# Of bare RuntimeErrors: PyTorch's for the CPU and for MPS, and Python's for a thread's stack.
WORDS = ("can't allocate memory", "out of memory", "can't start new thread")


def is_out_of_memory(error: BaseException) -> bool:
    """True for what PyTorch raises on any device, NumPy and Python when they find no memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)

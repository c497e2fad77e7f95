"""Whether an error says that no memory was left: PyTorch, NumPy and OpenCV each have their own."""

import cv2
import torch

# Of bare RuntimeErrors: PyTorch's for the CPU and for MPS, and Python's for a thread's stack.
WORDS = ("can't allocate memory", "out of memory", "can't start new thread")


def is_out_of_memory(error: BaseException) -> bool:
    """True for what PyTorch raises on any device, NumPy, OpenCV and Python when they find no
    memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, cv2.error):  # whose code is the class's, of the latest of any thread
        return f"({cv2.Error.StsNoMem}:" in str(error)
    return isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)

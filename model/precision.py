"""Which arithmetic a device computes CLIP in.

Every choice is an autocast dtype, or None for float32. Weights of matrix products are kept in it:
autocast would convert them again for each batch, which cost 18% of the starter's time on a CPU
with AMX.
"""

import time

import torch
from torch import nn

from model.errors import CheckpointError

PRECISIONS = {
    "float32": None,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# Names in torch.cpu.get_capabilities(): the units that multiply bfloat16 without emulation.
CPU_BFLOAT16 = ("amx_bf16", "avx512_bf16")
WORTHWHILE_SPEED_UP = 1.5  # of a matrix product, for which masks may differ in 0.5% of pixels
PRODUCT_SHAPE = 1024, 768, 3072  # rows, inner, columns: a batch of patches through ViT-B's MLP


def choose_precision(name: str, device: torch.device) -> torch.dtype | None:
    """The autocast dtype, or None for float32. CheckpointError for an unknown name.

    Auto takes half precision on cuda, and bfloat16 on a CPU that multiplies it natively and was
    just seen to be faster by it: without such units it is 4 times as slow as float32. xpu and mps
    were not measured.
    """
    if name == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        is_fast = (
            device.type == "cpu"
            and has_native_bfloat16()
            and bfloat16_speed_up() > WORTHWHILE_SPEED_UP
        )
        return torch.bfloat16 if is_fast else None
    if name not in PRECISIONS:
        raise CheckpointError(f"Unknown precision '{name}'. Known: auto, {', '.join(PRECISIONS)}.")
    return PRECISIONS[name]


def has_native_bfloat16() -> bool:
    """Whether this CPU has one of `CPU_BFLOAT16`; False where an older PyTorch cannot tell."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in CPU_BFLOAT16)


def bfloat16_speed_up(repeats: int = 5) -> float:
    """How many times as fast as float32 a matrix product is in bfloat16 on this CPU.

    The fastest of a few products each, in turn: other work on the machine only ever adds time.
    Takes about 0.2 s.
    """
    rows, inner, columns = PRODUCT_SHAPE
    fastest_s = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    for _ in range(repeats):
        for dtype in fastest_s:
            left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(inner, columns).to(dtype)
            left @ right  # the first one prepares its kernel
            start_s = time.perf_counter()
            left @ right
            fastest_s[dtype] = min(fastest_s[dtype], time.perf_counter() - start_s)
    return fastest_s[torch.float32] / fastest_s[torch.bfloat16]


def keep_weights_in(clip: nn.Module, dtype: torch.dtype | None) -> None:
    """Convert the weights of matrix products and convolutions, in place; norms stay float32."""
    if dtype is None:
        return
    for module in clip.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.MultiheadAttention):
            module.to(dtype)

"""A small vision tower with made-up weights that are the same on every machine.

NumPy's legacy generator is frozen, so numbers recorded with it stay comparable.
"""

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.transformer import VisionTransformer
from torch import Tensor

WIDTH, EMBED_DIM, BLOCKS, PATCH_PX, IMAGE_PX = 128, 32, 12, 16, 64


class QuickGELU(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


def synthetic_tower() -> VisionTransformer:
    """12 blocks of 2 heads, QuickGELU; sharp attention, and two patches of large norm."""
    visual = VisionTransformer(
        IMAGE_PX, PATCH_PX, WIDTH, BLOCKS, WIDTH // 64, 4.0, output_dim=EMBED_DIM,
        act_layer=QuickGELU,
    )  # fmt: skip
    generator = np.random.RandomState(7)
    with torch.no_grad():
        for name, parameter in visual.named_parameters():
            noise = torch.from_numpy(generator.standard_normal(parameter.shape)).float()
            if "ln_" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.1 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.05 * noise)
            elif "embedding" in name:
                parameter.copy_(0.3 * noise)
            else:
                gain = 1.5 if "in_proj" in name else 0.7
                fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
                fan_in = WIDTH if name == "proj" else fan_in
                parameter.copy_(gain * noise / fan_in**0.5)
        visual.positional_embedding[5:7] *= 8
    return visual.eval().requires_grad_(False)


def synthetic_pixels(height: int, width: int, count: int = 1) -> Tensor:
    """Normalized pixels (count, 3, H, W): smooth, with some noise."""
    generator = np.random.RandomState(height * 1000 + width)
    coarse = torch.from_numpy(generator.standard_normal((count, 3, height // 16, width // 16)))
    fine = torch.from_numpy(generator.standard_normal((count, 3, height, width)))
    return (F.interpolate(coarse, size=(height, width), mode="bicubic") + 0.3 * fine).float()


def synthetic_texts(count: int = 5) -> Tensor:
    generator = np.random.RandomState(3)
    texts = torch.from_numpy(generator.standard_normal((count, EMBED_DIM)))
    return F.normalize(texts, dim=-1).float()

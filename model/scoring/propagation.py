"""Text-aware Laplacian propagation (PEARL, 2603.21528): logits flow where the image has no edge.

On a small grid, each cell keeps its logits as far as it is sure of them, and agrees with its four
neighbours as far as colour and words agree; the balance solves one sparse linear system.
Shapes: R rows of text, H, W pixels, h, w patches.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

TEXT_TEMPERATURE = 0.5
TEXT_DIAGONAL = 10.0
EDGE_SHARPNESS = 5.0
LEAST_TRUST = 0.05
SOLVER_STEPS = 25


def propagate(logits: Tensor, image: Tensor, text_embeds: Tensor, cells: int) -> Tensor:
    """Cosine logits (R, h', w') on a grid of about `cells` a side, from (R, h, w) and an RGB image
    (3, H, W), any levels; text embeds (R, E) say which rows may help each other."""
    side = [max(1, pixels // max(1, round(pixels / cells))) for pixels in image.shape[1:]]
    small = F.interpolate(image[None].float(), size=side, mode="area")[0]
    logits = F.interpolate(logits[None], size=side, mode="bilinear")[0]
    kinship = text_kinship(text_embeds.to(logits))
    probs = logits.softmax(dim=0)
    kin_probs = torch.einsum("rs,shw->rhw", kinship, probs)
    agreement = (probs * kin_probs).sum(dim=0).clamp(0, 1)
    trust = probs.amax(dim=0).clamp_min(LEAST_TRUST) ** 2 * (1 + agreement)  # (h', w')

    gray = torch.einsum("c,chw->hw", small.new_tensor([0.299, 0.587, 0.114]), small)
    across, down = (_flow(gray, probs, kin_probs, dim).to(logits) for dim in (1, 0))
    return solve(logits, trust, across, down)


def text_kinship(text_embeds: Tensor) -> Tensor:
    """How much row r may help row s, (R, R), rows summing to 1."""
    kinship = (text_embeds @ text_embeds.T / TEXT_TEMPERATURE).softmax(dim=1)
    kinship = kinship + TEXT_DIAGONAL * torch.eye(len(kinship), device=kinship.device)
    return kinship / kinship.sum(dim=1, keepdim=True)


def _flow(gray: Tensor, probs: Tensor, kin_probs: Tensor, dim: int) -> Tensor:
    """Weights between cells that are neighbours along a dimension of the grid, 0..1."""
    size = gray.shape[dim]
    edge = gray.diff(dim=dim).abs()
    edge = edge / (edge.mean() + 1e-6) if edge.numel() else edge
    here = probs.narrow(dim + 1, 1, size - 1)
    before = kin_probs.narrow(dim + 1, 0, size - 1)
    gain = 1 + (here * before).sum(dim=0).clamp(0, 1)
    return (torch.exp(-EDGE_SHARPNESS * edge) * gain).clamp(0, 1)


def solve(values: Tensor, trust: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Solve (diag(trust) + Laplacian) x = trust * values by conjugate gradients; (R, h, w)."""

    def system(x: Tensor) -> Tensor:
        out = trust * x
        step = across * x.diff(dim=2)
        out = out + F.pad(step, (1, 0)) - F.pad(step, (0, 1))
        step = down * x.diff(dim=1)
        return out + F.pad(step, (0, 0, 1, 0)) - F.pad(step, (0, 0, 0, 1))

    x = values
    residual = trust * values - system(x)
    direction, length = residual, residual.square().sum()
    for _ in range(SOLVER_STEPS):
        moved = system(direction)
        step_size = length / ((direction * moved).sum() + 1e-12)
        x = x + step_size * direction
        residual = residual - step_size * moved
        new_length = residual.square().sum()
        direction = residual + new_length / (length + 1e-12) * direction
        length = new_length
    return x

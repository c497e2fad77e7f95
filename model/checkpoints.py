"""Loading of CLIP checkpoints, through open_clip.

A model is a registered name ("ViT-B-16") with a pretrained tag or a local file, an "hf-hub:" or
"local-dir:" id, the path of a JSON config with a local file, or "starter", which ships with
Firstpass and needs no download.
"""

import hashlib
import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip import CLIP
from open_clip.factory import load_checkpoint
from open_clip.transform import PreprocessCfg, merge_preprocess_dict
from torch import Tensor, nn

from model.encoder.tower_check import SUPPORTED_TOWERS, check_tower
from model.errors import CheckpointError

STARTER_CONFIG = Path(__file__).parent / "starter" / "starter.json"
STARTER_WEIGHTS = STARTER_CONFIG.with_suffix(".safetensors")
FINGERPRINT_SAMPLES = 2**20  # values of each tensor that the fingerprint reads

NO_NETWORK_REMEDY = (
    "If this machine cannot reach it: download the weights elsewhere and set CLIP_PRETRAINED to "
    "the local file (.safetensors is safest); or set HF_HUB_OFFLINE=1 if they are in the hub's "
    "cache already; or use CLIP_MODEL=starter, which needs no download."
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    name: str  # short, for versions: "starter", "ViT-B-16/openai"
    clip: CLIP  # float32, on the CPU, in eval mode
    tokenizer: Callable[[list[str]], Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str  # 16 hex digits of the tensors, as by `fingerprint`


def load(model: str, pretrained: str) -> Checkpoint:
    """Load a CLIP by CLIP_MODEL and CLIP_PRETRAINED; CheckpointError says what to do instead."""
    if model == "starter":
        name, clip, tokenizer = _load_starter(pretrained)
    elif model.endswith(".json"):
        name, clip, tokenizer = _load_json(Path(model), pretrained)
    elif model.startswith(("hf-hub:", "local-dir:")):
        name, clip, tokenizer = _load_by_id(model, pretrained)
    else:
        name, clip, tokenizer = _load_registered(model, pretrained)
    check_tower(clip.visual, name)
    preprocess = open_clip.get_model_preprocess_cfg(clip)
    return Checkpoint(
        name=name,
        clip=clip.float().eval().requires_grad_(False),
        tokenizer=tokenizer,
        mean=tuple(preprocess["mean"]),
        std=tuple(preprocess["std"]),
        fingerprint=fingerprint(clip),
    )


def fingerprint(module: nn.Module) -> str:
    """16 hex digits of all tensors' names, shapes and (evenly sampled) values."""
    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        values = tensor.detach().cpu().contiguous().flatten()
        step = -(-values.numel() // FINGERPRINT_SAMPLES) or 1
        digest.update(values[::step].contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


Loaded = tuple[str, Any, Callable[[list[str]], Tensor]]


def _load_starter(pretrained: str) -> Loaded:
    if pretrained:
        raise CheckpointError(
            f"CLIP_MODEL is 'starter', which brings its own weights, but CLIP_PRETRAINED is "
            f"'{pretrained}'. Unset CLIP_PRETRAINED, or set CLIP_MODEL to the config it belongs to."
        )
    if not STARTER_WEIGHTS.is_file():
        raise CheckpointError(
            f"The starter checkpoint is not installed: {STARTER_WEIGHTS} does not exist. Get it "
            f"with a full clone of the repository, or set CLIP_MODEL and CLIP_PRETRAINED. "
            f"{SUPPORTED_TOWERS}"
        )
    _, clip, tokenizer = _load_json(STARTER_CONFIG, str(STARTER_WEIGHTS))
    return "starter", clip, tokenizer


def _load_json(config_path: Path, pretrained: str) -> Loaded:
    """A config of open_clip's form, bare or as {"model_cfg": …, "preprocess_cfg": …}."""
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"Cannot read the model config {config_path}: {error}.") from error
    model_cfg = dict(config.get("model_cfg", config))
    if not {"embed_dim", "vision_cfg", "text_cfg"} <= set(model_cfg):
        raise CheckpointError(
            f"{config_path} is no open_clip model config: it needs embed_dim, vision_cfg and "
            f"text_cfg, and has: {', '.join(model_cfg) or 'nothing'}."
        )
    _check_config(model_cfg, str(config_path))
    if not Path(pretrained).is_file():
        raise CheckpointError(
            f"CLIP_MODEL is the config {config_path}; CLIP_PRETRAINED must then be the local file "
            f"of its weights, and '{pretrained}' is not a file."
        )
    text_cfg = model_cfg["text_cfg"]
    is_custom = model_cfg.pop("custom_text", False) or "hf_model_name" in text_cfg
    build = open_clip.CustomTextCLIP if is_custom else open_clip.CLIP
    clip = build(**model_cfg)
    _load_file(clip, pretrained, config_path.stem)
    preprocess = merge_preprocess_dict(PreprocessCfg(), config.get("preprocess_cfg", {}))
    open_clip.model.set_model_preprocess_cfg(clip, preprocess)
    length = text_cfg.get("context_length", 77)
    if "hf_tokenizer_name" in text_cfg:
        tokenizer: Any = open_clip.HFTokenizer(
            text_cfg["hf_tokenizer_name"],
            context_length=length,
            **text_cfg.get("tokenizer_kwargs", {}),
        )
    else:
        tokenizer = open_clip.SimpleTokenizer(context_length=length)
    return config_path.stem, clip, tokenizer


def _load_by_id(model: str, pretrained: str) -> Loaded:
    if pretrained:
        raise CheckpointError(
            f"CLIP_MODEL '{model}' brings its own weights, but CLIP_PRETRAINED is '{pretrained}'. "
            "Unset one of them."
        )
    try:
        config = open_clip.get_model_config(model)
        _check_config(config, model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clip = open_clip.create_model(model, require_pretrained=True)
            tokenizer = open_clip.get_tokenizer(model)
    except CheckpointError:
        raise
    except Exception as error:  # the hub, the network and open_clip raise many kinds
        remedy = NO_NETWORK_REMEDY if model.startswith("hf-hub:") else SUPPORTED_TOWERS
        raise CheckpointError(f"Cannot load '{model}': {error}. {remedy}") from error
    return model.split(":", 1)[1].rstrip("/").rsplit("/", 1)[-1], clip, tokenizer


def _load_registered(model: str, pretrained: str) -> Loaded:
    config = open_clip.get_model_config(model)
    if config is None:
        raise CheckpointError(
            f"CLIP_MODEL '{model}' is neither a name that open_clip knows, nor the path of a JSON "
            f"config, an 'hf-hub:' or 'local-dir:' id, or 'starter'. {SUPPORTED_TOWERS}"
        )
    _check_config(config, model)
    tags = open_clip.list_pretrained_tags_by_model(model)
    if pretrained not in tags and not Path(pretrained).is_file():
        raise CheckpointError(
            f"CLIP_PRETRAINED '{pretrained}' is neither a file nor a tag of {model}. "
            f"Its tags: {', '.join(tags) or 'none; give a local file'}."
        )
    check_activation(model, pretrained)
    is_tag = pretrained in tags
    try:
        clip = open_clip.create_model(model, pretrained=pretrained if is_tag else None)
    except Exception as error:  # the hub, the network and open_clip raise many kinds
        raise CheckpointError(
            f"Cannot get the weights '{pretrained}' of {model}: {error}. {NO_NETWORK_REMEDY}"
        ) from error
    if not is_tag:
        _load_file(clip, pretrained, model)
    return f"{model}-{Path(pretrained).stem}", clip, open_clip.get_tokenizer(model)


def check_activation(model: str, pretrained: str) -> None:
    """Raise CheckpointError where QuickGELU weights meet a GELU config or the reverse.

    open_clip only warns, and the masks are then bad without an error. A local file is recognized
    by a tag in its name.
    """
    base = model.removesuffix("-quickgelu")
    quick, plain = (
        set(open_clip.list_pretrained_tags_by_model(name)) for name in (f"{base}-quickgelu", base)
    )
    # OpenAI's tags stand under both names; only the quickgelu one computes what was trained.
    uses_quick = {
        tag: open_clip.get_pretrained_cfg(f"{base}-quickgelu", tag).get("quick_gelu", False)
        if tag in quick
        else False
        for tag in quick | plain
    }
    stem = Path(pretrained).stem.lower()
    named = [tag for tag in uses_quick if tag == pretrained or tag in stem.replace("-", "_")]
    if not named:
        return
    tag = max(named, key=len)
    expected = f"{base}-quickgelu" if uses_quick[tag] else base
    if expected != model:
        activation = "QuickGELU" if uses_quick[tag] else "plain GELU"
        raise CheckpointError(
            f"The weights '{pretrained}' were trained with {activation}, but the config '{model}' "
            f"computes another activation: set CLIP_MODEL={expected}."
        )


def _check_config(config: dict[str, Any], name: str) -> None:
    """Raise CheckpointError by the config where `check_tower` would raise it after the download."""
    vision = config["vision_cfg"]
    if vision.get("timm_model_name"):
        reason = f"its image tower is timm's {vision['timm_model_name']}"
    elif isinstance(vision.get("layers"), list | tuple):
        reason = "its image tower is a ResNet"
    elif vision.get("attentional_pool") or "multimodal_cfg" in config:
        reason = "its image tower pools patches by learned queries (CoCa)"
    elif vision.get("pool_type", "tok") != "tok" or vision.get("final_ln_after_pool"):
        reason = f"its image tower pools by '{vision.get('pool_type')}', not by a class token"
    else:
        return
    raise CheckpointError(f"'{name}' cannot be used: {reason}. {SUPPORTED_TOWERS}")


def _load_file(clip: nn.Module, path: str, model: str) -> None:
    try:
        load_checkpoint(clip, path, weights_only=True)
    except Exception as error:  # broken files raise KeyError, RuntimeError, UnpicklingError, …
        reason = str(error).strip().split("\n", 1)[0]
        raise CheckpointError(
            f"Cannot load {path} into {model}: {reason} The file must hold this model's weights "
            "as .safetensors, or as a state dict saved by torch.save (no pickled code, no "
            "TorchScript archive); CLIP_MODEL must name the config they were trained with."
        ) from error

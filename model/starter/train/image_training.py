"""Train the image tower as CLIP is trained: from pairs of photos and texts, without masks.

Four contrastive losses on every batch: the class token against whole texts (CLIP's own) and against
single words, so that plain names are in its space; the mean of the dense tokens against whole
texts; and the dense tokens against single words, where a word weighs the patches by their
similarity to it (patch-aligned contrast, Mukhoti et al. 2023). The attention of the dense tokens is
drawn for each step, so that the checkpoint suits all published variants.
"""

import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.precision import choose_precision
from model.starter.train.contrast import text_contrast, word_contrast
from model.starter.train.image_tower import ImageTower
from model.starter.train.photos import batches
from model.starter.train.training_run import TrainingRun


@dataclass(frozen=True)
class ImageTowerConfig:
    samples: int = 168_000
    batch: int = 96
    side_px: int = 112
    frozen_blocks: int = 5  # of 12: low-level features are kept as they are
    backbone_lr: float = 1.5e-4
    head_lr: float = 1e-3
    weight_decay: float = 0.05
    warmup_steps: int = 60
    dropped_patches: float = 0.5  # share left out behind the frozen blocks (FLIP): half the work …
    whole_after: float = 0.8  # … until this share of the run
    words_a_photo: int = 4
    other_words: int = 192  # drawn for each batch, beside the photos' own
    duplicate_cosine: float = 0.85  # texts as similar as this are no negatives of each other
    patch_scale: float = 12.0  # logit scale of a word's weights over the patches
    dense_weight: float = 0.5
    word_weight: float = 1.0
    naming_weight: float = 0.5  # of the class token against single words
    save_every_s: float = 300.0


@dataclass(frozen=True)
class TrainingTexts:
    embeds: Tensor  # (T, 384) teacher embeds of all texts
    of_photo: list[list[int]]  # rows of `embeds` for each photo
    word_embeds: Tensor  # (W, 384)
    words_of_photo: list[list[int]]


def train(
    tower: ImageTower,
    photos: list[dict[str, Any]],
    texts: TrainingTexts,
    config: ImageTowerConfig,
    folder: Path,
    device: str,
) -> None:
    """Runs to config.samples, from the last checkpoint in `folder` if there is one."""
    trained = [p for n, p in tower.named_parameters() if is_trained(n, config.frozen_blocks)]
    optimizer = build_optimizer(tower, trained, config)
    run = TrainingRun(
        "image_tower",
        folder,
        tower,
        optimizer,
        steps=config.samples // config.batch,
        samples_a_step=config.batch,
        log_every=10,
        save_every_s=config.save_every_s,
        device=device,
    )
    autocast_dtype = choose_precision("auto", torch.device(device))
    rng = random.Random(1000 + run.step)
    source = batches(photos, config.batch, config.side_px, seed=run.step)
    while not run.is_done:
        run.set_learning_rates([config.backbone_lr, config.head_lr], config.warmup_steps)
        chosen, images = next(source)
        drops = run.step < config.whole_after * run.steps
        dropped = config.dropped_patches if drops else 0.0
        losses = batch_losses(
            tower, images.to(device), chosen, texts, config, rng, dropped, autocast_dtype
        )
        optimizer.zero_grad(set_to_none=True)
        total_loss(losses, config).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        tower.log_scale.data.clamp_(1.0, 4.6)
        run.finish_step(partial(measured, tower, losses))


def build_optimizer(
    tower: ImageTower, trained: list[nn.Parameter], config: ImageTowerConfig
) -> torch.optim.AdamW:
    """AdamW with two groups: the backbone, and the new heads without weight decay."""
    heads = {id(tower.visual.proj), id(tower.text_map), id(tower.log_scale)}
    return torch.optim.AdamW(
        [
            {"params": [p for p in trained if id(p) not in heads], "lr": config.backbone_lr},
            {
                "params": [p for p in trained if id(p) in heads],
                "lr": config.head_lr,
                "weight_decay": 0.0,
            },
        ],
        weight_decay=config.weight_decay,
        betas=(0.9, 0.98),
    )


def total_loss(losses: dict[str, Tensor], config: ImageTowerConfig) -> Tensor:
    return (
        losses["cls"]
        + config.dense_weight * losses["dense"]
        + config.word_weight * losses["words"]
        + config.naming_weight * losses["names"]
    )


def measured(tower: ImageTower, losses: dict[str, Tensor]) -> dict[str, Any]:
    """What the log says of a step: losses and logit scales."""
    scales = [round(scale, 1) for scale in tower.log_scale.exp().tolist()]
    return {**{name: round(loss.item(), 4) for name, loss in losses.items()}, "scales": scales}


def batch_losses(
    tower: ImageTower,
    images: Tensor,
    chosen: list[int],
    texts: TrainingTexts,
    config: ImageTowerConfig,
    rng: random.Random,
    dropped: float,
    autocast_dtype: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """The four losses of a batch of images (B, 3, S, S), the photos `chosen`."""
    device = images.device
    rows = [rng.choice(texts.of_photo[i]) for i in chosen]
    teacher = texts.embeds[rows].to(device)
    is_same = (teacher @ teacher.T > config.duplicate_cosine).fill_diagonal_(False)
    sampled = {
        w
        for i in chosen
        for w in rng.sample(
            texts.words_of_photo[i], min(config.words_a_photo, len(texts.words_of_photo[i]))
        )
    }
    sampled |= set(
        rng.sample(range(len(texts.word_embeds)), min(config.other_words, len(texts.word_embeds)))
    )
    columns = {word: column for column, word in enumerate(sorted(sampled))}
    has = torch.zeros(len(chosen), len(columns), dtype=torch.bool)
    for row, i in enumerate(chosen):
        has[row, [columns[w] for w in texts.words_of_photo[i] if w in columns]] = True
    has = has.to(device)
    word_teacher = texts.word_embeds[sorted(sampled)].to(device)
    # A word similar to one of the photo's words may well be in the photo, too.
    is_similar = (word_teacher @ word_teacher.T > config.duplicate_cosine - 0.15).float()
    skip = (has.float() @ is_similar > 0) & ~has

    pattern = rng.choice(("qq", "kk", "both", "both", "value", "qk"))
    with torch.autocast(images.device.type, autocast_dtype, enabled=autocast_dtype is not None):
        cls_token, patch_tokens = tower(images, config.frozen_blocks, pattern, dropped)
    scales = tower.log_scale.exp()
    embeds, words = tower.texts(teacher), tower.texts(word_teacher)
    mean_token = F.normalize(patch_tokens.mean(1), dim=-1)
    return {
        "cls": text_contrast(cls_token, embeds, scales[0], is_same),
        "dense": text_contrast(mean_token, embeds, scales[1], is_same),
        "words": word_contrast(patch_tokens, words, has, skip, scales[2], config.patch_scale),
        "names": word_contrast(cls_token[:, None], words, has, skip, scales[2], 0.0),
    }


def is_trained(name: str, frozen_blocks: int) -> bool:
    if name.startswith("visual.transformer.resblocks."):
        return int(name.split(".")[3]) >= frozen_blocks
    return not name.startswith(("visual.conv1", "visual.positional", "visual.class_embedding"))

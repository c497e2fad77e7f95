"""Train the image tower as CLIP is trained: photos beside texts, never a mask.

Four contrasts on every batch. The class token against whole texts (CLIP's own), and against single
words, so that it knows what a photo holds by plain names too. The mean of the dense tokens against
whole texts. And each photo's dense tokens against single words, where a word reads the patches that
answer it best, so that places learn their names (patch-aligned contrast, Mukhoti et al. 2023). The
attention pattern of the dense tokens changes by the step, so that none of the published ones is a
stranger to the checkpoint.
"""

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from model.starter.train.contrast import text_contrast, word_contrast
from model.starter.train.image_tower import ImageTower
from model.starter.train.photos import batches
from model.starter.train.schedule import cosine, save


@dataclass(frozen=True)
class ImageTowerConfig:
    samples: int = 168_000
    batch: int = 96
    side_px: int = 112
    frozen_blocks: int = 5  # of 12; the patches' low-level features are good as they are
    backbone_lr: float = 1.5e-4
    head_lr: float = 1e-3
    weight_decay: float = 0.05
    warmup_steps: int = 60
    dropped_patches: float = 0.5  # share left out behind the frozen blocks (FLIP): half the work …
    whole_after: float = 0.8  # … until this share of the run
    words_a_photo: int = 4
    other_words: int = 192  # drawn for each batch, beside the photos' own
    duplicate_cosine: float = 0.85  # texts so alike are no negatives of each other
    patch_scale: float = 12.0  # how sharply a word picks its patches
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
    photos: list[dict],
    texts: TrainingTexts,
    config: ImageTowerConfig,
    folder: Path,
    device: str,
) -> None:
    """Runs to config.samples, from the last checkpoint in `folder` if there is one."""
    trained = [p for n, p in tower.named_parameters() if is_trained(n, config.frozen_blocks)]
    heads = {id(tower.visual.proj), id(tower.text_map), id(tower.log_scale)}
    optimizer = torch.optim.AdamW(
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
    base_lrs = [group["lr"] for group in optimizer.param_groups]
    steps, step = config.samples // config.batch, 0
    checkpoint = folder / "image_tower.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        tower.load_state_dict(saved["tower"])
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
    rng = random.Random(1000 + step)
    source = batches(photos, config.batch, config.side_px, seed=step)
    started_s = saved_s = time.monotonic()
    first_step = step
    while step < steps:
        for group, base in zip(optimizer.param_groups, base_lrs, strict=True):
            group["lr"] = base * cosine(step, steps, config.warmup_steps)
        chosen, images = next(source)
        dropped = config.dropped_patches if step < config.whole_after * steps else 0.0
        losses = batch_losses(tower, images.to(device), chosen, texts, config, rng, dropped)
        loss = (
            losses["cls"]
            + config.dense_weight * losses["dense"]
            + config.word_weight * losses["words"]
            + config.naming_weight * losses["names"]
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        tower.log_scale.data.clamp_(1.0, 4.6)
        step += 1
        if step % 10 == 0 or step == steps:
            seconds = time.monotonic() - started_s
            line = {
                "step": step,
                "of": steps,
                **{k: round(v.item(), 4) for k, v in losses.items()},
                "scales": [round(s, 1) for s in tower.log_scale.exp().tolist()],
                "photos_a_s": round((step - first_step) * config.batch / seconds, 1),
            }
            with (folder / "image_tower.log").open("a") as log:
                log.write(json.dumps(line) + "\n")
            print(line, flush=True)
        if time.monotonic() - saved_s > config.save_every_s or step == steps:
            save(
                {"tower": tower.state_dict(), "optimizer": optimizer.state_dict(), "step": step},
                checkpoint,
            )
            saved_s = time.monotonic()


def batch_losses(
    tower: ImageTower,
    images: Tensor,
    chosen: list[int],
    texts: TrainingTexts,
    config: ImageTowerConfig,
    rng: random.Random,
    dropped: float,
) -> dict[str, Tensor]:
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
    # A word close to one of the photo's words may well be in the photo too.
    alike = (word_teacher @ word_teacher.T > config.duplicate_cosine - 0.15).float()
    skip = (has.float() @ alike > 0) & ~has

    pattern = rng.choice(("qq", "kk", "both", "both", "value", "qk"))
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

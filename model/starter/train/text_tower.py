"""Distill the teacher's embeds of a wide vocabulary into the text tower of the checkpoint.

The teacher is a BERT with its own tokenizer; the tower is open_clip's text transformer with CLIP's
tokenizer, so that loading it needs nothing but open_clip. It learns words (every noun of WordNet
for something visible), their definitions, templates and captions, so that a word that is in no
training photo is still embedded near its synonyms.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import open_clip
import torch
from open_clip.transformer import TextTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from model.starter.train.training_run import TrainingRun, save

if TYPE_CHECKING:  # the teacher needs train/requirements.txt; learning from its embeds does not
    from model.starter.train.teacher import Teacher
    from model.starter.train.wordnet import WordNet

CONTEXT_LENGTH = 32
WIDTH = 256
ATTRIBUTES = (
    "red",
    "green",
    "blue",
    "white",
    "black",
    "yellow",
    "brown",
    "gray",
    "small",
    "large",
    "big",
    "old",
    "new",
    "broken",
    "wooden",
    "metal",
    "plastic",
    "wet",
    "dry",
    "dirty",
    "clean",
    "young",
    "round",
    "long",
    "thin",
    "bright",
    "dark",
    "damaged",
    "ripe",
    "empty",
)
JOINTS = ("{} and {}", "{} with {}", "{} on {}", "{} near a {}", "{}, {}", "{} {}", "{} of {}")


@dataclass(frozen=True)
class TextTowerConfig:
    samples: int = 1_200_000
    batch: int = 384
    lr: float = 1.5e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100
    save_every_s: float = 240.0


def build_tower() -> TextTransformer:
    return TextTransformer(
        context_length=CONTEXT_LENGTH,
        vocab_size=49408,
        width=WIDTH,
        heads=WIDTH // 64,
        layers=4,
        output_dim=384,
    )


def corpus(
    wordnet: WordNet, class_names: list[str], templates: tuple[str, ...], seed: int
) -> list[str]:
    """About 300,000 texts around the visible nouns, beside the photos' own texts."""
    rng = random.Random(seed)
    lemmas = wordnet.visible_lemmas
    common = [x for x in lemmas if x.islower() and " " not in x and wordnet.is_visible(x)]
    names = class_names + [name.replace(" ", "") for name in class_names if " " in name]
    texts = lemmas + names + [name.title() for name in names]
    texts += [t.format(rng.choice(common)) for _ in range(300) for t in templates]
    texts += [t.format(name) for name in class_names for t in rng.sample(templates, 12)]
    texts += [f"{rng.choice(ATTRIBUTES)} {rng.choice(common)}" for _ in range(25_000)]
    texts += [
        rng.choice(JOINTS).format(rng.choice(common), rng.choice(common + class_names))
        for _ in range(25_000)
    ]
    texts += rng.sample(wordnet.definitions, 30_000)
    return list(dict.fromkeys(texts))


def start_from_teacher(tower: TextTransformer, teacher: Teacher, cache: Path) -> None:
    """Token embeddings start as the teacher's embeds of the tokens, in their 256 main
    directions."""
    decoder = open_clip.tokenizer.SimpleTokenizer().decoder
    pieces = [decoder[i].replace("</w>", "") or "." for i in range(len(decoder))]
    if not cache.exists():
        save(teacher(pieces), cache)
    embeds = torch.load(cache, weights_only=True)
    embeds = embeds - embeds.mean(0)
    _, _, directions = torch.linalg.svd(embeds.T @ embeds)
    tower.token_embedding.weight.data = embeds @ directions[:WIDTH].T * 0.5
    tower.text_projection.data = directions[:WIDTH].clone() * 0.5


def train_text_tower(
    tower: TextTransformer,
    texts: list[str],
    targets: Tensor,
    config: TextTowerConfig,
    folder: Path,
    device: str,
) -> None:
    """Cosine to the teacher's embeds, and the same cosines within a batch as the teacher's."""
    tokens = open_clip.tokenizer.SimpleTokenizer(context_length=CONTEXT_LENGTH)(texts).int()
    lengths = (tokens != 0).sum(1)
    optimizer = torch.optim.AdamW(
        tower.parameters(), lr=config.lr, weight_decay=config.weight_decay
    )
    run = TrainingRun(
        "text_tower",
        folder,
        tower,
        optimizer,
        steps=config.samples // config.batch,
        samples_a_step=config.batch,
        log_every=25,
        save_every_s=config.save_every_s,
        device=device,
    )
    generator = torch.Generator().manual_seed(run.step)
    while not run.is_done:
        run.set_learning_rates([config.lr], config.warmup_steps)
        rows = similar_lengths(lengths, config.batch, generator)
        batch = tokens[rows][:, : int(lengths[rows].max())].long().to(device)
        target = targets[rows].float().to(device)
        embeds = F.normalize(embed_short(tower, batch), dim=-1)
        distance = (1 - (embeds * target).sum(-1)).mean()
        relations = F.mse_loss(embeds @ embeds.T, target @ target.T)
        optimizer.zero_grad(set_to_none=True)
        (distance + 2 * relations).backward()
        nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimizer.step()
        run.finish_step(partial(measured, distance, relations))


def measured(distance: Tensor, relations: Tensor) -> dict[str, float]:
    """What the log says of a step."""
    return {"cosine": round(1 - distance.item(), 4), "relations": round(relations.item(), 5)}


def embed_short(tower: TextTransformer, tokens: Tensor) -> Tensor:
    """The tower's embeds of tokens (B, T), T up to its context length, without padding.

    Exact, since the mask is causal: the end-of-text token, which is read, attends to nothing after
    it.
    """
    length = tokens.shape[1]
    x = tower.token_embedding(tokens) + tower.positional_embedding[:length]
    x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
    ends = tower.ln_final(x[torch.arange(len(x)), tokens.argmax(1)])
    embeds: Tensor = ends @ tower.text_projection
    return embeds


def similar_lengths(lengths: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    """Rows of one batch of eight that are drawn together and sorted by length, to pad little."""
    drawn = torch.randint(len(lengths), (batch * 8,), generator=generator)
    drawn = drawn[lengths[drawn].argsort()]
    start = int(torch.randint(8, (1,), generator=generator)) * batch
    return drawn[start : start + batch]

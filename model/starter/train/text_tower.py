"""Teach the product's own text tower what the teacher says of a wide vocabulary.

The teacher is a BERT with its own tokenizer; the product's tower is open_clip's text transformer
with CLIP's tokenizer, so that loading it needs nothing but open_clip. It learns words (every noun
in WordNet with a look), their definitions, templates and captions, so that a word that no training
photo ever showed still lands near its kin.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import open_clip
import torch
from open_clip.transformer import TextTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from model.starter.train.schedule import cosine, save

if TYPE_CHECKING:  # the teacher needs train/requirements.txt, learning from what it said does not
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
    "grey",
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
    """About 300,000 texts around the nouns that can be seen, beside the photos' own texts."""
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
    """Each token starts as the teacher's word for it, in the 256 directions that hold most."""
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
    """Cosine to the teacher, and the same neighbours within a batch as the teacher sees."""
    tokens = open_clip.tokenizer.SimpleTokenizer(context_length=CONTEXT_LENGTH)(texts).int()
    lengths = (tokens != 0).sum(1)
    optimizer = torch.optim.AdamW(
        tower.parameters(), lr=config.lr, weight_decay=config.weight_decay
    )
    steps, step = config.samples // config.batch, 0
    checkpoint = folder / "text_tower.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        tower.load_state_dict(saved["tower"])
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
    generator = torch.Generator().manual_seed(step)
    started_s = saved_s = time.monotonic()
    first_step = step
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = config.lr * cosine(step, steps, config.warmup_steps)
        rows = similar_lengths(lengths, config.batch, generator)
        batch = tokens[rows][:, : int(lengths[rows].max())].long().to(device)
        target = targets[rows].float().to(device)
        embeds = F.normalize(embed_short(tower, batch), dim=-1)
        distance = (1 - (embeds * target).sum(-1)).mean()
        kinship = F.mse_loss(embeds @ embeds.T, target @ target.T)
        optimizer.zero_grad(set_to_none=True)
        (distance + 2 * kinship).backward()
        nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 25 == 0 or step == steps:
            rate = (step - first_step) * config.batch / (time.monotonic() - started_s)
            line = {
                "step": step,
                "of": steps,
                "cosine": round(1 - distance.item(), 4),
                "kinship": round(kinship.item(), 5),
                "texts_a_s": round(rate),
            }
            with (folder / "text_tower.log").open("a") as log:
                log.write(json.dumps(line) + "\n")
            print(line, flush=True)
        if time.monotonic() - saved_s > config.save_every_s or step == steps:
            save(
                {"tower": tower.state_dict(), "optimizer": optimizer.state_dict(), "step": step},
                checkpoint,
            )
            saved_s = time.monotonic()


def embed_short(tower: TextTransformer, tokens: Tensor) -> Tensor:
    """What the tower says of (B, T) tokens, T up to its context: no work for the padding behind.

    Exact, since the mask is causal: the end-of-text token, which is read, sees nothing after it.
    """
    length = tokens.shape[1]
    x = tower.token_embedding(tokens) + tower.positional_embedding[:length]
    x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
    ends = tower.ln_final(x[torch.arange(len(x)), tokens.argmax(1)])
    return ends @ tower.text_projection


def similar_lengths(lengths: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    """A batch out of eight, drawn together and sorted: little of it is padding."""
    drawn = torch.randint(len(lengths), (batch * 8,), generator=generator)
    drawn = drawn[lengths[drawn].argsort()]
    start = int(torch.randint(8, (1,), generator=generator)) * batch
    return drawn[start : start + batch]

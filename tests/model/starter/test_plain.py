"""The plain checkpoint: trained by its class token alone, with the starter's own texts."""

import torch
import torch.nn.functional as F

from model import CheckpointConfig, build_segmenter
from model.starter.train.image_tower import ImageTower
from model.starter.train.image_training import ImageTowerConfig, is_trained, total_loss
from model.starter.train.plain import PLAIN, StarterTexts, export_plain

ON_CPU = {"device": "cpu", "precision": "float32"}


def test_its_loss_is_that_of_the_class_token_against_whole_texts():
    losses = {name: torch.tensor(value) for name, value in
              (("cls", 1.0), ("dense", 10.0), ("words", 100.0), ("names", 1000.0))}  # fmt: skip
    assert total_loss(losses, PLAIN) == 1
    assert total_loss(losses, ImageTowerConfig()) > 100


def test_all_its_blocks_are_trained():
    blocks = [f"visual.transformer.resblocks.{number}.mlp.c_fc.weight" for number in range(12)]
    assert all(is_trained(name, PLAIN.frozen_blocks) for name in blocks)


def test_it_loads_and_reads_texts_as_its_image_tower_was_taught_them(tmp_path):
    torch.manual_seed(0)
    tower = ImageTower().eval()
    with torch.no_grad():
        tower.text_map.add_(0.1 * torch.randn(384, 384))
        export_plain(tower.state_dict(), tmp_path)
        texts = ["a dog on grass", "sky"]
        taught = tower.texts(StarterTexts()(texts))
    config = CheckpointConfig(
        str(tmp_path / "plain.json"), str(tmp_path / "plain.safetensors"), **ON_CPU
    )
    read = build_segmenter(config).encode_text(texts, "plain")
    assert (F.cosine_similarity(read, taught) > 0.999).all()

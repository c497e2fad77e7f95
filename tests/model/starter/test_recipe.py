"""The recipe of the starter checkpoint, part by part, on inputs small enough to check by hand."""

import io
import random

import numpy as np
import pytest
import torch
from open_clip.transformer import VisionTransformer
from PIL import Image

from model.starter.train.backbone import fold_layer_scale
from model.starter.train.contrast import text_contrast, word_contrast
from model.starter.train.export import START_BLOCKS, export, interpolate_to_start
from model.starter.train.image_tower import PATTERNS, ImageTower, drop_patches, last_block
from model.starter.train.photos import augment, is_held_out
from model.starter.train.text_tower import build_tower, embed_short
from model.starter.train.texts import describe, frequent_words
from model.starter.train.wordnet import WordNet

# offset file type n word id … n pointers | gloss, as wndb(5WN) has it
DATA_NOUN = """\
  1 licence text
00000001 03 n 01 entity 0 000 | that which exists
00000010 05 n 02 dog 0 domestic_dog 0 001 @ 00000020 n 0000 | a tame animal; "the dog barked"
00000020 05 n 02 animal 0 beast 0 001 @ 00000001 n 0000 | a living thing
00000030 06 n 02 crane 0 derrick 0 001 @ 00000001 n 0000 | lifts heavy things
00000040 05 n 01 crane 0 001 @ 00000020 n 0000 | a wading bird
00000050 06 n 01 traffic_light 0 001 @ 00000001 n 0000 | a signal
00000060 09 n 01 idea 0 001 @ 00000001 n 0000 | a thought
00000070 20 n 01 grass 0 001 @ 00000001 n 0000 | narrow leaves
"""
INDEX_NOUN = """\
  1 licence text
animal n 1 0 1 0 00000020
crane n 2 0 2 0 00000030 00000040
dog n 1 0 1 0 00000010
grass n 1 0 1 0 00000070
idea n 1 0 1 0 00000060
traffic_light n 1 0 1 0 00000050
"""


@pytest.fixture
def wordnet(tmp_path) -> WordNet:
    (tmp_path / "data.noun").write_text(DATA_NOUN)
    (tmp_path / "index.noun").write_text(INDEX_NOUN)
    (tmp_path / "noun.exc").write_text("geese goose\n")
    return WordNet(tmp_path)


def test_plurals_find_their_noun(wordnet):
    assert wordnet.singular("dogs") == "dog"
    assert wordnet.singular("geese") == "goose"  # from the list of exceptions
    assert wordnet.singular("grass") == "grass"  # ends in s, is no plural


def test_only_what_can_be_seen_counts_as_a_noun_of_a_caption(wordnet):
    assert wordnet.nouns_of("Two dogs at a traffic light have an idea .") == [
        "dog",
        "traffic light",
    ]


def test_related_words_are_synonyms_and_broader_words(wordnet):
    assert wordnet.related(["dog"]) == ["domestic dog", "animal", "beast"]


def test_two_labels_of_one_photo_select_the_sense(wordnet):
    assert "animal" not in wordnet.related(["crane", "derrick"])


def test_a_definition_ends_before_its_example(wordnet):
    assert "a tame animal" in wordnet.definitions


def test_a_photo_is_described_by_all_that_is_known_of_it(wordnet):
    photo = {"captions": ["A dog on grass ."], "labels": ["Dog"], "objects": ["traffic light"]}
    described = describe(photo, wordnet, random.Random(0))
    assert set(described.words) >= {"dog", "grass", "traffic light", "animal"}
    assert "A dog on grass ." in described.texts


def test_words_of_too_few_photos_are_not_learned(wordnet):
    photos = [{"captions": [], "labels": [name], "objects": []} for name in ("dog", "dog", "grass")]
    descriptions = [describe(photo, wordnet, random.Random(0)) for photo in photos]
    learned = frequent_words(descriptions, at_least=2)
    assert "dog" in learned
    assert "grass" not in learned


def test_folding_layer_scale_changes_no_number():
    torch.manual_seed(0)
    scaled = VisionTransformer(56, 14, 48, 2, 2, 2.0, ls_init_value=0.5, output_dim=16).eval()
    for name, parameter in scaled.named_parameters():
        if "gamma" in name:
            torch.nn.init.uniform_(parameter, 0.1, 2.0)
    plain = VisionTransformer(56, 14, 48, 2, 2, 2.0, output_dim=16).eval()
    plain.load_state_dict(fold_layer_scale(scaled.state_dict()))
    pixels = torch.randn(2, 3, 56, 56)
    torch.testing.assert_close(plain(pixels), scaled(pixels), rtol=1e-4, atol=1e-5)


def test_the_class_token_of_the_last_block_is_the_plain_one():
    tower = ImageTower().eval()
    block, x = tower.visual.transformer.resblocks[-1], torch.randn(2, 5, 384)
    with torch.no_grad():
        cls_token, patch_tokens = last_block(block, x, PATTERNS["qk"])
        torch.testing.assert_close(cls_token, block(x)[:, 0], rtol=1e-4, atol=1e-4)
    assert patch_tokens.shape == (2, 4, 384)


def test_dropping_patches_keeps_the_class_token_and_whole_patches():
    x = torch.arange(9.0).view(1, 9, 1).expand(3, 9, 2)
    kept = drop_patches(x, 0.5)
    assert kept.shape == (3, 5, 2)
    assert (kept[:, 0] == 0).all()
    assert all(len(set(row[:, 0].tolist())) == 5 for row in kept)


def test_duplicate_texts_are_no_negatives():
    image = torch.eye(2)
    same_text = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    is_same = torch.tensor([[False, True], [True, False]])
    apart = text_contrast(image, same_text, torch.tensor(10.0), torch.zeros_like(is_same))
    assert text_contrast(image, same_text, torch.tensor(10.0), is_same) == 0
    assert apart > 1


def test_a_word_is_scored_by_the_patches_similar_to_it():
    dog, sky = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    photos = torch.stack([torch.stack([dog, sky, sky]), torch.stack([sky, sky, sky])])  # (2, 3, 2)
    words = torch.stack([dog, sky])
    has, skip = torch.tensor([[True, True], [False, True]]), torch.zeros(2, 2, dtype=torch.bool)
    right = word_contrast(photos, words, has, skip, torch.tensor(20.0), 12.0)
    wrong = word_contrast(photos.flip(0), words, has, skip, torch.tensor(20.0), 12.0)
    assert right < 0.1
    assert wrong > 2


def test_one_imagenette_photo_in_five_is_held_out_and_always_the_same():
    photos = [{"source": "imagenette224", "key": f"photo-{i}"} for i in range(1000)]
    held_out = [is_held_out(photo) for photo in photos]
    assert 150 < sum(held_out) < 250
    assert held_out == [is_held_out(photo) for photo in photos]
    assert not is_held_out({"source": "flickr8k", "key": "photo-0"})


def test_augmented_photos_are_normalized_squares():
    buffer = io.BytesIO()
    Image.fromarray(np.full((40, 70, 3), 128, np.uint8)).save(buffer, "WEBP")
    pixels = augment(buffer.getvalue(), 28, random.Random(1))
    assert pixels.shape == (3, 28, 28)
    assert pixels.abs().max() < 3


def test_the_first_blocks_are_interpolated_to_the_start_and_the_last_ones_stay():
    torch.manual_seed(0)
    trained, start = ImageTower().state_dict(), ImageTower().visual.state_dict()
    state = interpolate_to_start(trained, start)
    for name, tensor in trained.items():
        parts = name.split(".")
        returns = "resblocks" in parts and int(parts[3]) < START_BLOCKS
        expected = (tensor + start[name.removeprefix("visual.")]) / 2 if returns else tensor
        torch.testing.assert_close(state[name], expected)
    assert state.keys() == trained.keys()


def test_the_export_is_one_plain_clip_in_half_precision(tmp_path):
    from safetensors.torch import load_file

    tower, text_tower = ImageTower(), build_tower()
    size = export(tower.state_dict(), text_tower.state_dict(), tmp_path / "starter.safetensors")
    state = load_file(tmp_path / "starter.safetensors")
    assert size < 90e6
    assert {tensor.dtype for tensor in state.values()} == {torch.float16}
    assert not [name for name in state if "gamma" in name]
    assert state["text_projection"].shape == (256, 384)


def test_leaving_the_padding_out_changes_no_embed():
    torch.manual_seed(0)
    tower = build_tower().eval()
    tokens = torch.zeros(2, 32, dtype=torch.long)
    tokens[0, :4] = torch.tensor([49406, 320, 2368, 49407])
    tokens[1, :3] = torch.tensor([49406, 2368, 49407])
    with torch.no_grad():
        torch.testing.assert_close(embed_short(tower, tokens[:, :4]), tower(tokens))

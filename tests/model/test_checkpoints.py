"""Weights: every way to name them, and an error with its cure for every way to get it wrong."""

from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import load_file

from model import CheckpointConfig, CheckpointError, build_segmenter
from model.checkpoints import check_activation, fingerprint, load


def test_a_local_checkpoint_is_loaded_with_its_own_preprocessing(tiny_checkpoint):
    checkpoint = load(tiny_checkpoint.model, tiny_checkpoint.pretrained)
    assert checkpoint.name == "tiny_clip"
    assert checkpoint.mean == (0.485, 0.456, 0.406)
    stored = load_file(tiny_checkpoint.pretrained)
    assert torch.equal(checkpoint.clip.visual.proj, stored["visual.proj"])
    assert checkpoint.tokenizer(["a cat"]).shape == (1, 32)


def test_a_state_dict_file_gives_the_same_weights(tiny_checkpoint, tmp_path):
    path = tmp_path / "tiny.pt"
    torch.save({"state_dict": load_file(tiny_checkpoint.pretrained)}, path)
    same = load(tiny_checkpoint.model, str(path))
    assert same.fingerprint == load(tiny_checkpoint.model, tiny_checkpoint.pretrained).fingerprint


def test_a_local_dir_of_open_clip_form_is_loaded(tiny_checkpoint, tmp_path):
    config = Path(tiny_checkpoint.model).read_text()
    (tmp_path / "open_clip_config.json").write_text(config)
    weights = load_file(tiny_checkpoint.pretrained)
    torch.save(weights, tmp_path / "open_clip_pytorch_model.bin")
    checkpoint = load(f"local-dir:{tmp_path}", "")
    assert checkpoint.name == tmp_path.name
    assert torch.equal(checkpoint.clip.visual.proj, weights["visual.proj"])


def test_pickled_code_is_refused(tiny_checkpoint, tmp_path):
    path = tmp_path / "evil.pt"
    torch.save({"state_dict": torch.nn.Linear(1, 1)}, path)
    with pytest.raises(CheckpointError, match="no pickled code"):
        load(tiny_checkpoint.model, str(path))


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x80\x04broken"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_broken_file_is_an_error_with_its_name(tiny_checkpoint, tmp_path, content, suffix):
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"Cannot load .*broken"):
        load(tiny_checkpoint.model, str(path))


def test_weights_of_another_model_are_refused(tiny_checkpoint, tmp_path):
    weights = load_file(tiny_checkpoint.pretrained)
    weights["visual.proj"] = weights["visual.proj"][:, :5]
    torch.save(weights, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="CLIP_MODEL must name the config"):
        load(tiny_checkpoint.model, str(tmp_path / "other.pt"))


@pytest.mark.parametrize(
    ("model", "pretrained", "says"),
    [
        ("ViT-B-16", "openai", "set CLIP_MODEL=ViT-B-16-quickgelu"),
        ("ViT-B-16", "metaclip_fullcc", "set CLIP_MODEL=ViT-B-16-quickgelu"),
        ("ViT-L-14", "dfn2b", "set CLIP_MODEL=ViT-L-14-quickgelu"),
        ("ViT-B-16", "no-such-tag", "neither a file nor a tag.*laion2b_s34b_b88k"),
        ("ViT-B-16", "", "neither a file nor a tag"),
        ("no-such-model", "", "neither a name that open_clip knows"),
        ("ViT-B-16-SigLIP", "webli", "timm's vit_base_patch16_siglip_224.*ViT-B-16"),
        ("convnext_base", "laion400m_s13b_b51k", "timm's convnext_base"),
        ("MobileCLIP-B", "datacompdr", "timm's"),
        ("RN50", "openai", "a ResNet"),
        ("coca_ViT-B-32", "laion2b_s13b_b90k", "learned queries"),
        ("ViT-H-14-CLIPA", "datacomp1b", "pools by 'avg'"),
        ("starter", "openai", "Unset CLIP_PRETRAINED"),
        ("hf-hub:some/thing", "openai", "Unset one of them"),
        ("missing.json", "x.pt", "Cannot read the model config"),
        ("local-dir:/no/such/dir", "", "Cannot load"),
    ],
)
def test_a_wrong_name_is_an_error_that_says_what_to_do(model, pretrained, says):
    with pytest.raises(CheckpointError, match=says):
        load(model, pretrained)


@pytest.mark.parametrize(
    ("model", "pretrained"),
    [
        ("ViT-B-16-quickgelu", "openai"),
        ("ViT-B-16", "laion2b_s34b_b88k"),
        ("ViT-L-14", "datacomp_xl_s13b_b90k"),
        ("ViT-L-14", "/models/dfn2b_s39b.safetensors"),
        ("ViT-B-16", "/models/my-own.safetensors"),
    ],
)
def test_fitting_activations_pass(model, pretrained):
    check_activation(model, pretrained)


def test_a_file_named_after_a_quickgelu_tag_is_told_by_its_name():
    with pytest.raises(CheckpointError, match="set CLIP_MODEL=ViT-B-16-quickgelu"):
        check_activation("ViT-B-16", "/models/vit_b_16-openai.safetensors")


@pytest.mark.parametrize("model", ["ViT-B-16-quickgelu", "hf-hub:laion/no-such-model"])
def test_a_hub_out_of_reach_is_an_error_with_the_ways_out(model, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    with pytest.raises(CheckpointError, match=r"local file.*HF_HUB_OFFLINE=1.*starter"):
        load(model, "openai" if "quickgelu" in model else "")


def test_a_config_that_is_none_lists_what_it_has(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"width": 3}')
    with pytest.raises(CheckpointError, match=r"needs embed_dim.*has: width"):
        load(str(path), "x.pt")


def test_a_missing_starter_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr("model.checkpoints.STARTER_WEIGHTS", tmp_path / "starter.safetensors")
    with pytest.raises(CheckpointError, match="starter checkpoint is not installed"):
        build_segmenter(CheckpointConfig())


def test_the_fingerprint_sees_any_tensor_and_nothing_else(tiny_checkpoint):
    clip = load(tiny_checkpoint.model, tiny_checkpoint.pretrained).clip
    before = fingerprint(clip)
    assert fingerprint(clip.double().float()) == before
    clip.visual.proj[3, 5] += 1e-3
    assert fingerprint(clip) != before


def test_open_clip_still_only_warns_of_a_wrong_activation():
    """Why check_activation exists; if open_clip refuses by itself one day, it can go."""
    tag = open_clip.get_pretrained_cfg("ViT-B-16", "openai")
    assert tag["quick_gelu"]
    assert not open_clip.get_model_config("ViT-B-16").get("quick_gelu", False)

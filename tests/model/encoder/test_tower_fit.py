"""What a method's encoder takes from the tower it runs on."""

from dataclasses import replace

import pytest
import synthetic

from model.encoder.config import EncoderConfig
from model.encoder.global_context import ContextConfig
from model.encoder.published.rf_clip import OPENAI_CHANNELS
from model.encoder.tower_fit import (
    READINGS,
    choose_reading,
    describe_tower,
    fit_to_tower,
    tower_warning,
)
from model.encoder.tower_traits import TowerTraits, measure_traits
from model.methods import METHODS

FIRSTPASS, SC_CLIP = METHODS["firstpass"].encoder, METHODS["sc-clip"].encoder
TRAITS = TowerTraits(
    n_blocks=12, width=768, quick_gelu=True, middle_cosine=0.5, last_cosine=0.9, global_block=7,
    has_global_tokens=True, largest_channels=(), n_massive=0,
)  # fmt: skip


def test_emerging_context_is_of_the_tower_s_own_blocks():
    config = EncoderConfig(context=ContextConfig(emerging=True, share=0.5))
    assert fit_to_tower(config, TRAITS).context.blocks == (7, 8)


def test_channels_are_openai_s_on_their_towers_alone():
    seen = replace(TRAITS, largest_channels=OPENAI_CHANNELS[768])
    assert fit_to_tower(EncoderConfig(), seen).massive_channels == OPENAI_CHANNELS[768]
    assert fit_to_tower(EncoderConfig(), TRAITS).massive_channels == ()


@pytest.mark.parametrize(
    ("changes", "reading"),
    [
        ({}, "as SC-CLIP does"),  # OpenAI's and MetaCLIP's B/16
        ({"quick_gelu": False}, "by its values"),  # LAION's and DataComp's
        ({"has_global_tokens": False}, "as configured"),
        ({"n_blocks": 24, "has_global_tokens": False, "quick_gelu": False}, "as SC-CLIP does"),
    ],
)
def test_the_reading_is_chosen_by_depth_activation_and_global_tokens(changes, reading):
    assert choose_reading(replace(TRAITS, **changes)) == reading


def test_read_as_sc_clip_does_the_features_are_sc_clip_s_with_our_positions():
    read = READINGS["as SC-CLIP does"](FIRSTPASS)
    assert read == replace(SC_CLIP, tower=FIRSTPASS.tower)


def test_read_by_its_values_each_patch_attends_to_itself():
    assert READINGS["by its values"](FIRSTPASS).last_block.attention == "identity"


def test_the_synthetic_tower_is_read_as_configured():
    assert choose_reading(measure_traits(synthetic.synthetic_tower())) in READINGS


def test_a_tower_that_is_too_deep_to_be_read_well_is_said_with_the_cure():
    assert "CLIP_MODEL to a ViT-B-16" in tower_warning(replace(TRAITS, n_blocks=32))
    assert tower_warning(replace(TRAITS, n_blocks=24)) == ""


def test_the_description_says_what_was_measured_and_what_follows():
    text = describe_tower(TRAITS)
    assert "12 blocks of 768 channels" in text
    assert "global tokens from block 7" in text
    assert text.endswith("last block read as SC-CLIP does")

"""Prompts to embeds: exact, and in order."""

import pytest
import torch

from model.errors import MethodError
from model.text.encoder import OpenClipTextEncoder, encode_tokens
from model.text.templates import TEMPLATES

WORDS = ["cat", "a very long name of something rather rare", "🐈", "猫", ""]


@pytest.fixture
def encoder(tiny_segmenter) -> OpenClipTextEncoder:
    return tiny_segmenter.encode_text


def test_short_prompts_get_the_embeds_of_the_full_context(encoder):
    tokens = encoder.tokenizer([f"a photo of a {word}." for word in WORDS])
    with torch.inference_mode():
        theirs = encoder.clip.encode_text(tokens)
        torch.testing.assert_close(encode_tokens(encoder.clip, tokens), theirs)


def test_templates_are_averaged_and_the_mean_is_unit(encoder):
    embeds = encoder(["cat"], "aerial")
    each = torch.cat(
        [encoder([template.format("cat")], "plain") for template in TEMPLATES["aerial"]]
    )
    mean = torch.nn.functional.normalize(each.mean(dim=0), dim=0)
    torch.testing.assert_close(embeds[0], mean)


def test_order_and_company_do_not_matter(encoder):
    forward, backward = encoder(WORDS, "photo"), encoder(WORDS[::-1], "photo")
    torch.testing.assert_close(forward, backward.flip(0))
    assert forward.dtype == torch.float32
    torch.testing.assert_close(forward.norm(dim=1), torch.ones(len(WORDS)))


def test_a_text_that_stands_twice_has_one_embed(encoder):
    first, _, second = encoder(["cat", "dog", "cat"], "photo")
    torch.testing.assert_close(first, second)


def test_no_texts_give_no_embeds(encoder):
    assert encoder([]).shape == (0, encoder.embed_dim)


def test_unknown_templates_list_the_known(encoder):
    with pytest.raises(MethodError, match=r"'poem'.*imagenet80"):
        encoder(["cat"], "poem")

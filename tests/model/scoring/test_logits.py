"""Parts of the logits, against their published form."""

import torch
import torch.nn.functional as F

from model.features import DenseFeatures
from model.scoring.image_names import ImageNameConfig, names_in_image
from model.scoring.logits import LogitConfig, class_logits, feature_surgery
from model.text.class_embeds import TextEmbeds

IMAGE = torch.zeros(3, 4, 6)
NOT_CUT = torch.zeros(4, dtype=torch.bool)


def toy():
    """Features of 2 x 3 patches and four rows of text, 8 channels."""
    generator = torch.Generator().manual_seed(0)
    tokens = F.normalize(torch.randn(8, 2, 3, generator=generator), dim=0)
    rows = F.normalize(torch.randn(4, 8, generator=generator), dim=1)
    cls_token = F.normalize(torch.randn(8, generator=generator), dim=0)
    text = TextEmbeds(rows, torch.arange(4), torch.ones(4, dtype=torch.bool))
    return DenseFeatures(tokens, cls_token, (4, 6), torch.zeros(0, 2, 3)), text


def test_feature_surgery_equals_its_sums_over_channels():
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(6, 2, 3, generator=generator)  # (E, h, w)
    texts, image = torch.randn(4, 6, generator=generator), torch.randn(6, generator=generator)
    weight = (texts @ image * 2).softmax(0)
    products = torch.einsum("re,ehw->rehw", texts, patches) * (weight / weight.mean()).view(
        4, 1, 1, 1
    )
    published = (products - products.mean(dim=0)).sum(dim=1)
    ours = feature_surgery(torch.einsum("re,ehw->rhw", texts, patches), texts @ image)
    torch.testing.assert_close(ours, published)


def test_the_class_token_s_logits_are_a_share_of_each_patch_s():
    features, text = toy()
    own = class_logits(features, text, NOT_CUT, IMAGE, LogitConfig(logit_scale=1.0))
    mixed = class_logits(
        features, text, NOT_CUT, IMAGE, LogitConfig(logit_scale=1.0, class_token_share=0.25)
    )
    image_logits = (text.embeds @ features.cls_token).view(-1, 1, 1)
    torch.testing.assert_close(mixed, 0.75 * own + 0.25 * image_logits)


def test_names_of_the_image_are_taken_where_the_method_has_a_share_of_them():
    features, text = toy()
    config = LogitConfig(logit_scale=1.0, image_names=ImageNameConfig(share=0.5))
    patches = features.patch_tokens.flatten(1).T
    names = names_in_image(
        text.embeds, patches, text.embeds @ features.cls_token, config.image_names
    )
    expected = (names @ patches.T).unflatten(1, (2, 3))
    torch.testing.assert_close(class_logits(features, text, NOT_CUT, IMAGE, config), expected)

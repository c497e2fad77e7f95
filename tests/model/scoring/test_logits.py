"""Parts of the logits, against their published form."""

import torch

from model.scoring.logits import feature_surgery


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

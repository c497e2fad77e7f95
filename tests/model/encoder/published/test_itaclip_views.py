"""Further looks at a window."""

import pytest
import torch
from torchvision.transforms import GaussianBlur, Grayscale

from model.encoder.published.itaclip_views import VIEWS


@pytest.mark.parametrize(
    ("name", "theirs"), [("gray", Grayscale(3)), ("blur", GaussianBlur(11, sigma=5))]
)
def test_views_are_those_of_torchvision(name, theirs):
    pixels = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(VIEWS[name](pixels), theirs(pixels), atol=1e-5, rtol=1e-5)

"""Towers that cannot be read at each patch are refused before anything is computed."""

import pytest
from tiny_tower import tiny_tower
from torch import nn

from model.encoder.tower_check import check_tower
from model.errors import CheckpointError


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"attentional_pool": True}, "learned queries"),
        ({"pool_type": "avg"}, "pools by 'avg'"),
        ({"qk_norm": True}, "customized"),
    ],
)
def test_towers_without_native_attention_are_refused_with_what_works(options, reason):
    with pytest.raises(CheckpointError, match=rf"{reason}.*ViT-B-16"):
        check_tower(tiny_tower(**options), "some-model")


def test_a_convolutional_tower_is_refused_by_its_name():
    with pytest.raises(CheckpointError, match=r"'RN50' cannot be used.*a Conv2d"):
        check_tower(nn.Conv2d(3, 3, 1), "RN50")

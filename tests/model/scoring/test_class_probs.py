"""From logits to a decision, on maps small enough to follow."""

import math

import pytest
import torch

from model.errors import MethodError
from model.scoring.class_probs import (
    automatic_scale,
    class_probs,
    class_surgery,
    contenders,
    otsu_threshold,
    purify,
    settle,
)


def test_a_class_is_as_probable_as_its_best_row():
    logits = torch.tensor([1.0, 3.0, 2.0, 0.0]).view(4, 1, 1)  # rows of classes 0, 0, 1 and none
    probs = class_probs(logits, torch.tensor([0, 0, 1, 2]), n_classes=2)
    best = torch.tensor([math.exp(3), math.exp(2), math.exp(0)])
    torch.testing.assert_close(probs[:, 0, 0], best / best.sum())


def test_a_class_without_rows_has_no_probability():
    probs = class_probs(torch.zeros(1, 2, 2), torch.tensor([1]), n_classes=2)
    assert probs[:, 0, 0].tolist() == [0.0, 1.0, 0.0]


def test_the_automatic_scale_gives_checkpoints_of_any_range_the_same_spread():
    logits = torch.randn(10, 8, 8, generator=torch.Generator().manual_seed(0))
    narrow, wide = 0.02 * logits, 0.05 * logits
    assert automatic_scale(narrow) * 0.02 == pytest.approx(automatic_scale(wide) * 0.05, rel=1e-4)
    assert automatic_scale(torch.zeros(3, 2, 2)) == 200  # no spread: the highest allowed
    assert automatic_scale(torch.zeros(1, 2, 2)) == 10


def test_feature_surgery_equals_its_sums_over_channels():
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(6, 2, 3, generator=generator)  # (E, h, w)
    texts, image = torch.randn(4, 6, generator=generator), torch.randn(6, generator=generator)
    weight = (texts @ image * 2).softmax(0)
    products = torch.einsum("re,ehw->rehw", texts, patches) * (weight / weight.mean()).view(
        4, 1, 1, 1
    )
    published = (products - products.mean(dim=0)).sum(dim=1)
    ours = class_surgery(torch.einsum("re,ehw->rhw", texts, patches), texts @ image)
    torch.testing.assert_close(ours, published)


def halves():
    """Probs (3, 4, 4): class 0 left, class 1 right, class 2 is nowhere; and two-valued patches."""
    probs = torch.full((3, 4, 4), 0.02)
    probs[0, :, :2] = 0.9
    probs[1, :, 2:] = 0.9
    probs[:2] += 0.03
    tokens = torch.zeros(2, 4, 4)
    tokens[0, :, :2] = 1
    tokens[1, :, 2:] = 1
    return torch.cat([probs, torch.full((1, 4, 4), 0.03)]), tokens


@pytest.mark.parametrize(("purifier", "below"), [("peak", 0.1), ("coherence", 0.3)])
def test_an_absent_class_is_removed_and_present_ones_stay(purifier, below):
    probs, tokens = halves()
    probs[2, 1, 1] = 0.08  # a lone patch that speaks for it
    pure = purify(probs, tokens, purifier, below)
    assert pure[2].max() == 0
    assert pure[:2].amax(dim=(1, 2)).min() > 0.8
    torch.testing.assert_close(pure.sum(dim=0), torch.ones(4, 4))


def test_the_strongest_class_survives_any_threshold():
    probs, tokens = halves()
    assert purify(probs, tokens, "peak", 1.0)[:-1].max() > 0.8
    assert purify(probs, tokens, "", 1.0) is probs


def test_an_unknown_purifier_lists_the_known():
    probs, tokens = halves()
    with pytest.raises(MethodError, match="peak, coherence"):
        purify(probs, tokens, "oracle", 0.5)


def test_of_many_classes_the_winners_and_the_nearest_to_winning_stay():
    probs = torch.full((10, 1, 3), 0.01)
    probs[0, 0, 0] = probs[4, 0, 1] = probs[7, 0, 2] = 0.8
    probs[2, 0, 1] = 0.5  # second to class 4
    kept = contenders(probs, limit=5)
    assert kept.amax(dim=(1, 2)).nonzero().flatten().tolist() == [0, 2, 4, 7, 9]
    torch.testing.assert_close(kept.sum(dim=0), torch.ones(1, 3))
    assert contenders(probs, limit=2).argmax(dim=0).tolist() == [[0, 4, 7]]
    assert contenders(probs, limit=10) is probs
    everyone_wins = torch.eye(5)[:, None]  # none of them, too
    assert torch.equal(contenders(everyone_wins, limit=2), everyone_wins)


def test_otsu_cuts_between_two_groups():
    values = torch.cat([torch.full((30,), 0.2), torch.full((50,), 0.8)])
    assert 0.2 < otsu_threshold(values) < 0.8


def test_unsure_pixels_and_those_of_no_class_lose_their_label():
    label_map = torch.tensor([[0, 1, 1, 2]], dtype=torch.int16)
    scores = settle(label_map, torch.tensor([[0.4, 0.6, 0.8, 0.9]]), 2, 0.5, 0.0)
    assert label_map.tolist() == [[-1, 1, 1, -1]]
    torch.testing.assert_close(scores, torch.tensor([0.0, 0.7]))


def test_small_classes_go_and_unlabelled_pixels_do_not_count():
    label_map = torch.tensor([[0] * 9 + [1] + [3] * 90], dtype=torch.int16)
    kept = label_map.clone()
    best_prob = torch.full((1, 100), 0.5)
    assert settle(label_map, best_prob, 3, 0.0, area_threshold=0.11).tolist() == [0.5, 0, 0]
    assert label_map.tolist() == [[0] * 9 + [-1] * 91]
    assert settle(kept, best_prob, 3, 0.0, area_threshold=0.09).tolist() == [0.5, 0.5, 0]
    assert kept.tolist() == [[0] * 9 + [1] + [-1] * 90]


def test_blocks_of_rows_decide_as_the_whole(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    label_map = torch.randint(0, 5, (37, 20), generator=generator, dtype=torch.int16)
    best_prob = torch.rand(37, 20, generator=generator)
    whole, blocks = label_map.clone(), label_map.clone()
    expected = settle(whole, best_prob, 4, 0.3, 0.1)
    monkeypatch.setattr("model.scoring.class_probs.PIXELS_AT_ONCE", 60)
    torch.testing.assert_close(settle(blocks, best_prob, 4, 0.3, 0.1), expected)
    assert torch.equal(whole, blocks)

"""Where a label is, on maps small enough to follow."""

import torch

from model.scoring.localization import (
    MASKED_LOGIT_PENALTY,
    cut_below_range,
    subtract_image_mean,
    suppress_absent_classes,
)

LABEL, NO_LABEL = torch.tensor([True]), torch.tensor([False])


def row(*logits: float) -> torch.Tensor:
    return torch.tensor(logits, dtype=torch.float32).view(1, 1, -1)


def test_a_share_of_each_rows_mean_is_taken_off():
    logits = torch.cat([row(1, 3), row(-2, 4)])
    answer = subtract_image_mean(logits, 0.5)
    torch.testing.assert_close(answer, torch.cat([row(0, 2), row(-2.5, 3.5)]))
    assert subtract_image_mean(logits, 0.0) is not logits
    torch.testing.assert_close(subtract_image_mean(logits, 0.0), logits)


def test_a_row_that_is_high_everywhere_yields_to_one_that_stands_out():
    everywhere, here = row(5, 5, 5, 5), row(1, 1, 1, 4.5)
    logits = torch.cat([everywhere, here])
    assert logits.argmax(dim=0).tolist() == [[0, 0, 0, 0]]
    assert subtract_image_mean(logits, 0.5).argmax(dim=0).tolist() == [[0, 0, 0, 1]]


def test_a_label_keeps_the_upper_part_of_its_range():
    answer = cut_below_range(row(0, 11, 13, 20), LABEL, NO_LABEL, range_cut=0.6)  # the cut is at 12
    torch.testing.assert_close(
        answer, row(-MASKED_LOGIT_PENALTY, 11 - MASKED_LOGIT_PENALTY, 13, 20)
    )


def test_what_is_near_the_peak_stays_whatever_the_range():
    even = row(10, 9, 8, 7.5)  # grass from edge to edge: its lowest patch is 2.5 below the peak
    assert torch.equal(cut_below_range(even, LABEL, NO_LABEL, range_cut=0.9), even)
    constant = row(3, 3, 3)
    assert torch.equal(cut_below_range(constant, LABEL, NO_LABEL, range_cut=0.6), constant)
    assert torch.equal(cut_below_range(row(3), LABEL, NO_LABEL, range_cut=0.6), row(3))


def test_rows_that_are_not_to_be_cut_stay():
    logits = row(0, 5, 20)
    assert torch.equal(cut_below_range(logits, NO_LABEL, NO_LABEL, range_cut=0.6), logits)


def test_what_is_cut_goes_to_the_background_but_to_no_label_that_is_less_probable():
    sky, wall, rocket = row(20, 11, 11, 11), row(0, 9, 5, 5), row(7.9, 7.9, 7.9, 10.5)
    logits, is_label = torch.cat([sky, wall, rocket]), torch.tensor([True, False, True])
    answer = cut_below_range(logits, is_label, is_label, range_cut=0.6)
    # Beside the bright patch: background, sky that nothing but a rocket would have, and a rocket.
    assert answer.argmax(dim=0).tolist() == [[0, 1, 0, 2]]


def test_each_row_is_cut_by_its_own_range_whatever_stands_beside_it():
    logits = torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0)) * 20
    all_five = torch.ones(5, dtype=torch.bool)
    together = cut_below_range(logits, all_five, ~all_five, range_cut=0.5)
    alone = [cut_below_range(one[None], LABEL, NO_LABEL, range_cut=0.5) for one in logits]
    assert torch.equal(together, torch.cat(alone))
    assert (together != logits).any(dim=(1, 2)).all()
    assert torch.equal(together.amax(dim=(1, 2)), logits.amax(dim=(1, 2)))  # peaks always stay


def test_an_absent_label_is_lowered_by_the_unlabeled_share():
    cat, dog, wall = row(9, 9, 2, 2), row(1, 1, 8, 2), row(5, 5, 5, 5)
    logits, is_label = torch.cat([cat, dog, wall]), torch.tensor([True, True, False])
    presence = torch.tensor([10.0, 2.0, 30.0])  # the class token is near cat, not near dog
    answer = suppress_absent_classes(logits, presence, is_label)
    torch.testing.assert_close(answer[[0, 2]], logits[[0, 2]])  # the best label, and no label
    torch.testing.assert_close(answer[1], logits[1] - 0.25**2 * 8)  # a quarter is the wall's

    no_wall = logits.clone()
    no_wall[2] = -5
    assert torch.equal(suppress_absent_classes(no_wall, presence, is_label), no_wall)


def test_a_vocabulary_of_background_alone_stays():
    logits, nothing = torch.cat([row(9, 2), row(1, 2)]), torch.tensor([False, False])
    assert torch.equal(suppress_absent_classes(logits, torch.zeros(2), nothing), logits)
    assert torch.equal(cut_below_range(logits, nothing, nothing, range_cut=0.6), logits)

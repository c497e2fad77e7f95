"""What is everywhere says nothing of where: on maps small enough to follow."""

import torch

from model.scoring.localization import GONE, doubt_the_absent, keep_cores, less_of_the_whole

LABEL, NO_LABEL = torch.tensor([True]), torch.tensor([False])


def row(*logits: float) -> torch.Tensor:
    return torch.tensor(logits, dtype=torch.float32).view(1, 1, -1)


def test_a_share_of_each_rows_mean_is_taken_off():
    logits = torch.cat([row(1, 3), row(-2, 4)])
    answer = less_of_the_whole(logits, 0.5)
    torch.testing.assert_close(answer, torch.cat([row(0, 2), row(-2.5, 3.5)]))
    assert less_of_the_whole(logits, 0.0) is not logits
    torch.testing.assert_close(less_of_the_whole(logits, 0.0), logits)


def test_a_row_that_is_loud_everywhere_yields_to_one_that_stands_out():
    everywhere, here = row(5, 5, 5, 5), row(1, 1, 1, 4.5)
    logits = torch.cat([everywhere, here])
    assert logits.argmax(dim=0).tolist() == [[0, 0, 0, 0]]
    assert less_of_the_whole(logits, 0.5).argmax(dim=0).tolist() == [[0, 0, 0, 1]]


def test_a_label_keeps_the_upper_part_of_its_range():
    answer = keep_cores(row(0, 11, 13, 20), LABEL, above=0.6)  # the cut is at 12
    torch.testing.assert_close(answer, row(-GONE, 11 - GONE, 13, 20))


def test_where_all_is_about_as_good_as_the_peak_all_stays():
    even = row(10, 9, 8, 7.5)  # lawn from edge to edge: its lowest patch is 2.5 below the peak
    assert torch.equal(keep_cores(even, LABEL, above=0.9), even)
    constant = row(3, 3, 3)
    assert torch.equal(keep_cores(constant, LABEL, above=0.6), constant)
    assert torch.equal(keep_cores(row(3), LABEL, above=0.6), row(3))


def test_what_is_no_label_has_no_core():
    logits = row(0, 5, 20)
    assert torch.equal(keep_cores(logits, NO_LABEL, above=0.6), logits)


def test_each_row_is_cut_by_its_own_range_whatever_stands_beside_it():
    logits = torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0)) * 20
    together = keep_cores(logits, torch.ones(5, dtype=torch.bool), above=0.5)
    alone = [keep_cores(one[None], LABEL, above=0.5) for one in logits]
    assert torch.equal(together, torch.cat(alone))
    assert (together != logits).any(dim=(1, 2)).all()
    assert torch.equal(together.amax(dim=(1, 2)), logits.amax(dim=(1, 2)))  # peaks always stay


def test_an_absent_label_is_doubted_as_far_as_the_image_is_free():
    cat, dog, wall = row(9, 9, 2, 2), row(1, 1, 8, 2), row(5, 5, 5, 5)
    logits, is_label = torch.cat([cat, dog, wall]), torch.tensor([True, True, False])
    presence = torch.tensor([10.0, 2.0, 30.0])  # the class token sees a cat, and no dog
    answer = doubt_the_absent(logits, presence, is_label)
    torch.testing.assert_close(answer[[0, 2]], logits[[0, 2]])  # the best label, and no label
    torch.testing.assert_close(answer[1], logits[1] - 0.25**2 * 8)  # a quarter is the wall's

    no_wall = logits.clone()
    no_wall[2] = -5
    assert torch.equal(doubt_the_absent(no_wall, presence, is_label), no_wall)


def test_a_vocabulary_of_background_alone_has_nothing_to_doubt():
    logits, nothing = torch.cat([row(9, 2), row(1, 2)]), torch.tensor([False, False])
    assert torch.equal(doubt_the_absent(logits, torch.zeros(2), nothing), logits)
    assert torch.equal(keep_cores(logits, nothing, above=0.6), logits)

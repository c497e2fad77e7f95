import pytest
import torch
import torch.nn.functional as F

from model.refine.tiles import (
    TILE_SIDE_PX,
    BilinearSampler,
    Tile,
    bilinear_tile,
    classes_above,
    classes_in,
    resize,
    sample,
    tiles_of,
    working_size,
)


@pytest.mark.parametrize("image_hw", [(1, 1), (256, 256), (257, 300), (1, 8000), (700, 513)])
def test_tiles_cover_every_pixel_once(image_hw: tuple[int, int]) -> None:
    covered = torch.zeros(image_hw, dtype=torch.int)
    for tile in tiles_of(*image_hw):
        covered[tile.top : tile.bottom, tile.left : tile.right] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize(
    ("coarse_hw", "image_hw"),
    [
        ((6, 8), (60, 80)),
        ((6, 8), (61, 77)),
        ((1, 1), (40, 30)),
        ((60, 80), (60, 80)),
        ((21, 28), (8000, 9)),
    ],
)
def test_tiles_together_are_the_bilinear_enlargement(
    coarse_hw: tuple[int, int], image_hw: tuple[int, int]
) -> None:
    coarse = torch.rand(2, *coarse_hw, generator=torch.Generator().manual_seed(0))
    whole = torch.empty(2, *image_hw)
    for tile in tiles_of(*image_hw, side_px=37):
        box = (slice(None), slice(tile.top, tile.bottom), slice(tile.left, tile.right))
        whole[box] = bilinear_tile(coarse, tile, image_hw)
    wanted = F.interpolate(coarse[None].double(), size=image_hw, mode="bilinear")[0]
    assert (whole - wanted).abs().max() < 1e-5


def test_a_tile_paints_only_the_classes_that_are_near() -> None:
    coarse = torch.zeros(3, 4, 8)
    coarse[0, :, :4] = coarse[1, :, 4:] = 1
    left = Tile(0, 40, 0, 30)
    assert classes_in(left, coarse, (40, 80), 0.01).tolist() == [0]
    assert classes_in(Tile(0, 40, 30, 50), coarse, (40, 80), 0.01).tolist() == [0, 1]
    assert (BilinearSampler(coarse, (40, 80))(left, torch.tensor([0])) == 1).all()


def test_the_best_class_stays_however_low_it_is() -> None:
    probs = torch.tensor([0.2, 0.5, 0.3])[:, None, None].expand(3, 2, 2)
    assert classes_above(probs, 0.9).tolist() == [1]
    assert classes_above(probs, 0.25).tolist() == [1, 2]


def test_bytes_and_floats_shrink_alike() -> None:
    image = torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8)
    difference = resize(image, (13, 17)) - resize(image.float(), (13, 17))
    assert difference.abs().max() < 1.5  # bytes are rounded


@pytest.mark.parametrize(
    ("image_hw", "pixels", "wanted"),
    [
        ((480, 640), 4096, (55, 74)),
        ((30, 40), 4096, (30, 40)),  # never enlarged
        ((60, 3600), 4096, (8, 496)),
        ((1, 8000), 4096, (1, 512)),  # more than 64 : 1
        ((8000, 1), 100, (80, 1)),
    ],
)
def test_a_working_size_keeps_the_shape(
    image_hw: tuple[int, int], pixels: int, wanted: tuple[int, int]
) -> None:
    assert working_size(image_hw, pixels) == wanted


@pytest.mark.parametrize("side_px", [1, 3, 100, 20_000])
@pytest.mark.parametrize("longer_px", [1, 100, 60_000, 200_000_000])
def test_work_grows_with_the_area_of_any_shape(side_px: int, longer_px: int) -> None:
    for height_px, width_px in ((side_px, longer_px), (longer_px, side_px)):
        for pixels in (56 * 56, 640 * 640):
            height, width = working_size((height_px, width_px), pixels)
            assert height * width <= min(1.1 * pixels, height_px * width_px)
            assert max(height, width) ** 2 <= 64 * pixels  # entries of the kernels of a side
        rows_px, columns_px = next(tiles_of(height_px, width_px))[1::2]
        n_tiles = -(-height_px // rows_px) * -(-width_px // columns_px)
        assert rows_px * columns_px <= TILE_SIDE_PX**2
        assert n_tiles <= 3 + 16 * height_px * width_px / TILE_SIDE_PX**2


def test_a_sample_holds_the_pixels_at_the_middle_of_each_cell() -> None:
    image = torch.arange(6 * 9, dtype=torch.uint8).view(1, 6, 9)
    assert sample(image, (2, 3))[0].tolist() == [[10, 13, 16], [37, 40, 43]]  # cells of 3 x 3
    assert torch.equal(sample(image, (6, 9)), image.float())
    assert sample(image, (1, 1)).item() == 3 * 9 + 4

import pytest
import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

from model.refine.crf import CrfConfig, crf_sampler, mean_field, pixel_features, update_at
from model.refine.tiles import resize

HW = (11, 14)
SMALL = CrfConfig(appearance_xy_std=0.3, appearance_rgb_std=30, smoothness_xy_std=0.1)


def photo(name: str, size_hw: tuple[int, int]) -> Tensor:
    """RGB (3, H, W) float32, levels 0 to 255."""
    return resize(torch.from_numpy(getattr(skimage.data, name)()).permute(2, 0, 1), size_hw)


def log_probs(classes: int, size_hw: tuple[int, int] = HW, seed: int = 0) -> Tensor:
    logits = 2 * torch.randn(1, classes, 4, 5, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(logits, size=size_hw, mode="bilinear")[0].log_softmax(dim=0)


def brute_force(unary: Tensor, rgb: Tensor, config: CrfConfig) -> Tensor:
    """Mean field (K, h, w) as the paper writes it: two N x N matrices, in float64."""
    classes, height, width = unary.shape
    mean_side_px = (height * width) ** 0.5
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float64),
        torch.arange(width, dtype=torch.float64),
        indexing="ij",
    )
    place = torch.stack([y, x], dim=-1).view(-1, 2) / mean_side_px
    color = rgb.double().flatten(1).T
    appearance = [place / config.appearance_xy_std, color / config.appearance_rgb_std]
    kernels = [gaussian(torch.cat(appearance, dim=1)), gaussian(place / config.smoothness_xy_std)]
    logs = unary.double().flatten(1).T  # (N, K)
    probs = logs.softmax(dim=1)
    for _ in range(config.iterations):
        message = torch.zeros_like(probs)
        weights = (config.appearance_weight, config.smoothness_weight)
        for kernel, weight in zip(kernels, weights, strict=True):
            root = kernel.sum(dim=1, keepdim=True) ** 0.5
            message += weight * (kernel @ (probs / root)) / root
        probs = (logs + message).softmax(dim=1)
    return probs.T.view(classes, height, width)


def gaussian(points: Tensor) -> Tensor:
    return torch.exp(-0.5 * (points[:, None] - points[None]).square().sum(dim=2))


@pytest.mark.parametrize("classes", [1, 2, 21, 50])
def test_every_prob_is_that_of_brute_force(classes: int) -> None:
    unary, rgb = log_probs(classes), photo("astronaut", HW)
    got = mean_field(unary, rgb, SMALL).probs
    assert (got - brute_force(unary, rgb, SMALL)).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [
        (torch.float16, 2e-3),  # what CUDA runs in
        (torch.bfloat16, 3e-2),  # logits are as right, but probs and their changes have 8 bits
    ],
)
def test_half_precision_stays_near_brute_force(dtype: torch.dtype, tolerance: float) -> None:
    config = CrfConfig(smoothness_xy_std=0.1)
    for classes in (2, 21, 50):
        unary, rgb = log_probs(classes), photo("coffee", HW)
        got = mean_field(unary, rgb, config, dtype=dtype).probs
        assert (got - brute_force(unary, rgb, config)).abs().max() < tolerance


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_half_precision_on_cuda_stays_within_two_thousandths() -> None:
    unary, rgb = log_probs(21), photo("coffee", HW)
    got = mean_field(unary.cuda(), rgb.cuda(), SMALL, dtype=torch.float16).probs
    assert (got.cpu() - brute_force(unary, rgb, SMALL)).abs().max() < 2e-3


def test_an_update_of_the_same_pixels_is_one_more_iteration() -> None:
    """But for the smoothness message, which is the last one's: so without it."""
    config = CrfConfig(iterations=3, smoothness_weight=0)
    unary, rgb = log_probs(5), photo("rocket", HW)
    field = mean_field(unary, rgb, config)
    got = update_at(unary, rgb, field, config, image_hw=HW)
    more = CrfConfig(iterations=4, smoothness_weight=0)
    assert (got - brute_force(unary, rgb, more)).abs().max() < 1e-4


def test_positions_are_the_same_at_every_working_size() -> None:
    rgb = torch.zeros(3, 4, 6)
    small = pixel_features(rgb, CrfConfig(), (40, 60))[:, :2].view(4, 6, 2)
    large = pixel_features(torch.zeros(3, 8, 12), CrfConfig(), (40, 60))[:, :2].view(8, 12, 2)
    # A small pixel is the middle of the four large ones it covers.
    torch.testing.assert_close(small, large.view(4, 2, 6, 2, 2).mean(dim=(1, 3)))


def test_a_small_working_size_gives_the_exact_answer_nearly() -> None:
    image = photo("coffee", (80, 120))
    probs = log_probs(5, (10, 15)).exp()
    answers = []
    for pixels in (80 * 120, 40 * 60):
        config = CrfConfig(working_pixels=pixels, intermediate_pixels=80 * 120)
        answers.append(crf_sampler(probs, image, config).coarse.argmax(dim=0))
    assert (answers[0] == answers[1]).float().mean() > 0.95

import pytest
import torch
from torch import Tensor

from model.refine.gaussian_attention import GaussianKernel


def features(count: int, dims: int = 5, seed: int = 0) -> Tensor:
    return 2 * torch.randn(count, dims, generator=torch.Generator().manual_seed(seed))


def brute_force(queries: Tensor, keys: Tensor) -> Tensor:
    """k_ij in float64."""
    differences = queries.double()[:, None] - keys.double()
    return torch.exp(-0.5 * differences.square().sum(dim=2))


@pytest.mark.parametrize("columns", [1, 21, 150])
@pytest.mark.parametrize("dims", [1, 5, 9])
def test_the_mean_is_the_gaussian_filter_over_all_pairs(columns: int, dims: int) -> None:
    queries, keys = features(40, dims), features(70, dims, seed=1)
    values = torch.rand(70, columns, generator=torch.Generator().manual_seed(2))
    kernel = brute_force(queries, keys)
    wanted = kernel @ values.double() / kernel.sum(dim=1, keepdim=True)
    got = GaussianKernel.between(queries, keys).mean(values)
    assert (got - wanted).abs().max() < 1e-5


def test_row_sums_are_those_of_the_kernel() -> None:
    queries, keys = features(40), features(70, seed=1)
    mean, sums = GaussianKernel.between(queries, keys).mean_and_sums(keys)
    kernel = brute_force(queries, keys)
    torch.testing.assert_close(sums.double(), kernel.sum(dim=1, keepdim=True), rtol=1e-4, atol=1e-6)
    wanted = kernel @ keys.double() / kernel.sum(dim=1, keepdim=True)
    assert (mean - wanted).abs().max() < 1e-4


def test_features_far_from_zero_lose_no_digits() -> None:
    """Colors reach 255 / 3 stds and the norm is squared: 7,000 in float32 has 3 digits left."""
    queries, keys = features(40), features(70, seed=1)
    values = torch.rand(70, 3)
    near = GaussianKernel.between(queries, keys).mean(values)
    far = GaussianKernel.between(queries + 85, keys + 85).mean(values)
    assert (near - far).abs().max() < 1e-4


def test_a_query_far_from_all_keys_has_no_sum() -> None:
    keys = features(70)
    _, sums = GaussianKernel.between(torch.full((1, 5), 60.0), keys).mean_and_sums(keys)
    assert sums.max() < 1e-6
    assert torch.isfinite(sums).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_logits_are_right_to_a_thousandth_in_half_precision(dtype: torch.dtype) -> None:
    # Colors of an image in units of 13 levels, as the CRF has them.
    colors = torch.randint(0, 256, (60, 5), generator=torch.Generator().manual_seed(3)) / 13
    kernel = GaussianKernel.between(colors, colors, dtype)
    assert kernel.queries.dtype == dtype
    logits = kernel.queries.double() @ kernel.keys.double().T
    differences = colors.double()[:, None] - colors.double()
    near = differences.square().sum(dim=2) < 40  # further ones weigh e^-20
    wanted = -0.5 * differences.square().sum(dim=2)
    assert (logits - wanted)[near].abs().max() < 1e-3


def test_other_number_types_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"float16.*got torch\.float64"):
        GaussianKernel.between(features(3), features(3), torch.float64)

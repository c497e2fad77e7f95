"""Exact Gaussian filters over all pairs of points, computed as fused attention.

With k_ij = exp(-|f_i - f_j|² / 2), the weights softmax_j(f_i·f_j - |f_j|² / 2) are row i of k over
its sum: queries and keys are the features, with one dimension more for the norm. So a filter over
N² pairs runs on `scaled_dot_product_attention`, in O(N) memory, on any device.

Letters: M query points, N key points, F features, C value columns.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

COLUMNS_A_PASS = 64  # value columns of one attention call: wider heads leave the fast kernels
# Rounded parts that a feature is split into: together they hold 22 bits or more.
PARTS = {torch.float32: 1, torch.float16: 2, torch.bfloat16: 3}


@dataclass(frozen=True)
class GaussianKernel:
    """k_ij between M query points and N key points; build it with `between`."""

    queries: Tensor  # (M, d) and
    keys: Tensor  # (N, d): their dot products are -|f_i - f_j|² / 2

    @classmethod
    def between(
        cls, queries: Tensor, keys: Tensor, dtype: torch.dtype = torch.float32
    ) -> "GaussianKernel":
        """The kernel of float32 features (M, F) and (N, F), in units of one std.

        In half precision a feature is its rounded value plus what the rounding lost, each in head
        dimensions of its own, so that a logit is right to 1e-3 from inputs of 8 to 11 bits.
        """
        if dtype not in PARTS:
            raise ValueError(f"The attention runs in {', '.join(map(str, PARTS))}; got {dtype}.")
        center = keys.mean(dim=0, keepdim=True)  # small numbers keep the digits of differences
        queries, keys = queries - center, keys - center
        ones = torch.ones_like
        query_norms = _split(queries.square().sum(dim=1, keepdim=True) / -2, dtype, parts=3)
        key_norms = _split(keys.square().sum(dim=1, keepdim=True) / -2, dtype, parts=3)
        query_parts, key_parts = [], []
        split_queries, split_keys = (_split(x, dtype, PARTS[dtype]) for x in (queries, keys))
        for i, query_part in enumerate(split_queries):
            for key_part in split_keys[: len(split_keys) - i]:  # smaller products are below 2^-22
                query_parts.append(query_part)
                key_parts.append(key_part)
        query_parts += query_norms + [ones(part) for part in query_norms]
        key_parts += [ones(part) for part in key_norms] + key_norms
        return cls(torch.cat(query_parts, dim=1), torch.cat(key_parts, dim=1))

    def mean(self, values: Tensor) -> Tensor:
        """The mean (M, C) of values (N, C) with weights k_ij, float32."""
        return _attend(self.queries, self.keys, values)

    def mean_and_sums(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """As `mean`, and the row sums of k (M, 1): 0 where no key is near."""
        # An additional key of known weight to every query gives the sum of all the others.
        log_weight = round(math.log(len(self.keys)) / 2)  # whole: exact in half precision
        sink = torch.zeros_like(self.keys[:1])
        sink[..., -1] = log_weight  # a part of the key's norm, which meets a 1 of the query
        is_key = values.new_ones(len(values), 1)
        values = torch.cat([values, is_key, torch.zeros_like(is_key)], dim=1)
        sink_value = torch.zeros_like(values[:1])
        sink_value[..., -1] = 1
        columns = _attend(
            self.queries,
            torch.cat([self.keys, sink]),
            torch.cat([values, sink_value]),
        )
        of_keys, of_sink = columns[..., -2:-1], columns[..., -1:]
        smallest = torch.finfo(torch.float32).tiny
        mean = columns[..., :-2] / of_keys.clamp_min(smallest)
        return mean, math.exp(log_weight) * of_keys / of_sink.clamp_min(smallest)

    def row_sums(self) -> Tensor:
        return self.mean_and_sums(self.keys[..., :0].float())[1]


def _split(numbers: Tensor, dtype: torch.dtype, parts: int) -> list[Tensor]:
    """Rounded tensors that sum to the numbers, the largest first."""
    split = []
    for _ in range(1 if dtype == torch.float32 else parts):
        split.append(numbers.to(dtype))
        numbers = numbers - split[-1].float()
    return split


def _attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Softmax attention (M, C) in float32; queries, keys and values padded to one width."""
    chunks = []
    for chunk in values.to(queries.dtype).split(COLUMNS_A_PASS, dim=1):
        # The fused kernels want heads of one width, and on CUDA a multiple of 8.
        width = -(-max(queries.shape[1], chunk.shape[1]) // 8) * 8
        query, key, value = (
            F.pad(part, (0, width - part.shape[1]))[None, None] for part in (queries, keys, chunk)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        chunks.append(mixed[0, 0, :, : chunk.shape[1]].float())
    return torch.cat(chunks, dim=1)

"""The attention of one channel by a power series of the auxiliary's moments, on a CPU.

B batch, d_m main dim, d_a auxiliary dim, N = q J terms of the series.

`tilting` sums e^{t a_i} over all d_a entries at each query t. With a = m + r x, where the entries'
ends are x = -1 and x = 1, and z = r t,

    M_k = sum_i x_i^k e^{z x_i} = sum_n mu_{n+k} z^n / n!,    mu_n = sum_i x_i^n,

so M_1 / M_0, the mean of x under the weights, and its derivative M_2 / M_0 - (M_1 / M_0)^2, the
variance, cost about 3 N products a query, and no exponential.

No term of these series is above d_a |z|^n / n!, and M_0 is at least e^|z|, since an entry lies at
either end. So an N that follows from the largest |z| alone leaves out less than a rounding error.
The variance is a difference of two numbers: where nearly all weight lies at one end it is known to
about d_a roundings of float64, and below that it is 0.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mia_fairseq.modules.fast_attention.power_series import (
    BLOCK,
    evaluate,
    inverse_factorials,
    power_sums,
    powers,
)

MOST_BLOCKS = 9  # the largest J; |z| may then reach 28 in float32, and 18 in float64
# What the terms left out may come to, as a share of M_0.
ACCURACY = {torch.float32: 3e-8, torch.float64: 1e-17}
# Where |z| is above this at every query, one end outweighs all else, and the variance is too small
# beside the mean's square to be told as a difference.
SATURATED = 6.0
PORTION = 1 << 17  # entries and queries that are computed at once: their tables fit a cache


class RowReach(NamedTuple):
    """Where a row's entries and queries lie."""

    middle: float  # m
    radius: float  # r; above 0 even where all entries are equal, and so all x are 0
    reach: float  # the largest |z|; endless where all are `SATURATED`, NaN with a NaN in the row

    @classmethod
    def between(cls, bottom: float, top: float, low: float, high: float) -> "RowReach":
        """Entries from bottom to top, and queries from low to high."""
        radius = (top - bottom) / 2 or 1e-300
        saturated = max(low, -high) * radius > SATURATED
        return cls((top + bottom) / 2, radius, math.inf if saturated else max(-low, high) * radius)


def measure(queries: Tensor, aux: Tensor) -> list[RowReach]:
    """The rows of queries t, (B, d_m), and entries a, (B, d_a)."""
    with torch.no_grad():
        ends = [aux.amin(1), aux.amax(1), queries.amin(1), queries.amax(1)]
        return [RowReach.between(*found) for found in torch.stack(ends, dim=1).tolist()]


@lru_cache(maxsize=32)
def furthest(entries: int, dtype: torch.dtype) -> tuple[float, ...]:
    """The largest |z|, to a tenth, for which 1, 2 ... `MOST_BLOCKS` blocks of terms are enough."""

    def enough(z: float, terms: int) -> bool:
        # Below z = terms / 2, twice the first term left out bounds the rest. Relative to e^z.
        log = math.log(2 * entries) + terms * math.log(z) - math.lgamma(terms + 1) - z
        return log <= math.log(ACCURACY[dtype])

    limits = []
    for terms in range(BLOCK, BLOCK * MOST_BLOCKS + 1, BLOCK):
        tenths = (k / 10 for k in range(1, 5 * terms))
        limits.append(max((z for z in tenths if enough(z, terms - 1)), default=0.0))
    return tuple(limits)


def attention_by_moments(queries: Tensor, aux: Tensor, rows: Sequence[RowReach]) -> Tensor:
    """g(t_j) = sum_i a_i e^{t_j a_i} / sum_i e^{t_j a_i}.

    Args:
        queries: t = w m, (B, d_m), float32 or float64.
        aux: a, (B, d_a), of the same type.
        rows: of both, at least one, each within the last of `furthest`.

    Returns:
        (B, d_m). Differentiable once with respect to queries and aux.
    """
    limits = furthest(aux.shape[1], aux.dtype)
    count = max(1, PORTION // (aux.shape[1] + queries.shape[1]))
    parts = []
    for first in range(0, len(rows), count):
        some = slice(first, first + count)
        reach = max(row.reach for row in rows[some])
        blocks = next(j for j, limit in enumerate(limits, 1) if reach <= limit)
        places = torch.tensor([row[:2] for row in rows[some]], dtype=torch.float64)
        parts.append(_ByMoments.apply(queries[some], aux[some], places, blocks))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


class _ByMoments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, aux: Tensor, places: Tensor, blocks: int) -> Tensor:
        middle, radius = places.unsqueeze(2).unbind(1)  # (B, 1) both
        sizes = [aux.shape[1], queries.shape[1]]
        table = places.new_empty(BLOCK + 1, len(places), sum(sizes))
        x, z = table[1].split(sizes, dim=1)
        torch.sub(aux, middle, out=x).div_(radius)
        torch.mul(queries, radius, out=z)
        entries, points = powers(table).split(sizes, dim=2)
        moments = power_sums(None, entries, blocks + 1)  # mu: (B, J + 1, 1, q)
        orders = 3 if ctx.needs_input_grad[0] else 2  # k: M_2 is of the slope alone
        strides = (moments.stride(0), BLOCK, 1, 1)
        shifted = moments.as_strided((len(moments), blocks, orders, BLOCK), strides)  # mu_{n+k}
        sums = evaluate(shifted * inverse_factorials(blocks), points)  # M_k: (B, k, d_m)
        total, rest = sums.split([1, orders - 1], dim=1)
        mean, *second = (rest / total).unbind(1)
        slope = None
        if second:  # dg/dt, the variance of a
            variance = second[0].addcmul_(mean, mean, value=-1).clamp_(min=0)
            slope = variance.mul_(radius.square()).to(queries.dtype)
        kept = (table, total.squeeze(1).clone(), mean) if ctx.needs_input_grad[1] else ()
        ctx.sizes, ctx.blocks = sizes, blocks
        ctx.save_for_backward(slope, *kept)
        return torch.addcmul(middle, radius, mean).to(queries.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        slope, *kept = ctx.saved_tensors
        grad_queries = None if slope is None else grad * slope
        grad_aux = None
        if kept:
            table, total, mean = kept
            entries, points = table.split(ctx.sizes, dim=2)
            with torch.autocast("cpu", enabled=False):
                found = entries_gradient(grad, entries, points, total, mean, ctx.blocks)
            grad_aux = found.to(grad.dtype)
        return grad_queries, grad_aux, None, None


def entries_gradient(
    grad: Tensor, entries: Tensor, points: Tensor, total: Tensor, mean: Tensor, blocks: int
) -> Tensor:
    """The gradient of sum_j G_j g(t_j) with respect to the entries: (B, d_a), float64.

    It is sum_j s_j e^{z_j x_i} (1 + z_j (x_i - h_j)) with s = G / M_0 and h the mean of x: again a
    power series, whose n-th coefficient is ((n + 1) S_n - H_{n+1}) / n! with S_n = sum_j s_j z_j^n
    and H_n = sum_j s_j h_j z_j^n.

    Args:
        grad: G, (B, d_m).
        entries: powers of x.
        points: powers of z.
        total: M_0, (B, d_m).
        mean: h, (B, d_m).
        blocks: J.
    """
    share = grad / total
    sums = power_sums(torch.stack([share, share * mean], dim=1), points, blocks)  # (B, J, 2, q)
    plain, by_mean = sums.transpose(1, 2).flatten(2).unbind(1)  # S and H: (B, N)
    coefficients = plain * torch.arange(1, plain.shape[1] + 1)
    coefficients[:, :-1] -= by_mean[:, 1:]  # H_N, which is not there, counts for nothing
    by_block = coefficients.view(len(grad), blocks, 1, BLOCK) * inverse_factorials(blocks)
    return evaluate(by_block, entries).squeeze(1)

"""Means and variances of the weights e^{t a_i}: the attention of one channel at one query t.

B batch, Q queries, d_a auxiliary dim.

With one channel, Eq. 3 weighs the auxiliary's entries by p_i(t) = e^{t a_i} / sum_k e^{t a_k}
and Eq. 5 takes their mean g(t) = sum_i p_i(t) a_i. Then dg/dt is the variance of a under p(t),
and dg/da_i = p_i (1 + t (a_i - g)).

Every exponent is written t (a_i - c), with c the entry that wins as |t| grows: the largest for
t >= 0, the smallest for t < 0. So it is never positive, and exact where entries near c are told
apart, at any scale. For the same reason c - g is summed by itself, not as a difference.

The table of exponentials, B Q d_a entries, is made portion by portion, forward and once more
backward, small enough for a processor's cache, and never kept.
"""

from typing import NamedTuple

import torch
from torch import Tensor

# Entries of the table made at a time: a megabyte of float32, so that the steps from one
# table to its sums stay in a core's cache; elsewhere, enough to fill the device.
CPU_PORTION = 1 << 18
DEVICE_PORTION = 1 << 24


class Tilted(NamedTuple):
    """What the weights of each query sum to; all (B, Q)."""

    mean: Tensor  # g(t)
    total: Tensor  # sum_i e^{t (a_i - c)}
    excess: Tensor  # c - g(t)
    variance: Tensor  # dg/dt; zeros where it was not wanted


def tilt(queries: Tensor, aux: Tensor, *, want_variance: bool) -> Tilted:
    """Weigh `aux`, (B, d_a), by e^{t a_i} for each t of `queries`, (B, Q)."""
    some, rows = _portion(queries, aux)
    if some < queries.shape[1]:
        parts = [tilt(t, aux, want_variance=want_variance) for t in queries.split(some, dim=1)]
        return Tilted(*(torch.cat(part, dim=1) for part in zip(*parts, strict=True)))
    upward = queries >= 0
    top, bottom = _extremes(aux)
    centre = torch.where(upward, top, bottom)
    columns = torch.stack([aux, top - aux, bottom - aux], dim=1)
    tensors = (queries, centre, aux, columns)
    split = zip(*(tensor.split(rows) for tensor in tensors), strict=True)
    sums = [_sums(t, c, a, column, want_variance) for t, c, a, column in split]
    total, products, variance = (torch.cat(part) for part in zip(*sums, strict=True))
    direct, below_top, above_bottom = (products / total[:, None]).unbind(1)
    excess = torch.where(upward, below_top, above_bottom)
    # Where c outweighs all else, a running sum loses the many small terms beside it.
    mean = torch.where(2 * excess.abs() < centre.abs(), centre - excess, direct)
    return Tilted(mean, total, excess, variance / total - (mean - direct).square())


def aux_gradient(
    queries: Tensor, aux: Tensor, total: Tensor, excess: Tensor, grad_mean: Tensor
) -> Tensor:
    """The gradient of sum_q grad_mean_q g(t_q) with respect to `aux`: (B, d_a).

    It is sum_q G_q p_qi (1 + t_q (a_i - g_q)), with a_i - g_q = (a_i - c_q) + (c_q - g_q).

    Args:
        queries: t, (B, Q).
        aux: a, (B, d_a).
        total: of `Tilted`, (B, Q).
        excess: of `Tilted`, (B, Q).
        grad_mean: the gradient of each g(t_q), (B, Q).
    """
    some, rows = _portion(queries, aux)
    if some < queries.shape[1]:
        tensors = (queries, total, excess, grad_mean)
        split = zip(*(tensor.split(some, dim=1) for tensor in tensors), strict=True)
        grad = torch.zeros_like(aux)
        for t, part_total, part_excess, part_grad in split:
            grad += aux_gradient(t, aux, part_total, part_excess, part_grad)
        return grad
    upward = queries >= 0
    top, bottom = _extremes(aux)
    centre = torch.where(upward, top, bottom)
    share = grad_mean / total
    slope = share * queries
    weights = torch.stack([share + slope * excess, slope * upward, slope * ~upward], dim=1)
    tensors = (weights, queries, centre, aux)
    split = zip(*(tensor.split(rows) for tensor in tensors), strict=True)
    sums = torch.cat([torch.bmm(weight, _table(*portion)) for weight, *portion in split])
    plain, near_top, near_bottom = sums.unbind(1)
    return plain + near_top * (aux - top) + near_bottom * (aux - bottom)


def _extremes(aux: Tensor) -> tuple[Tensor, Tensor]:
    return aux.amax(1, keepdim=True), aux.amin(1, keepdim=True)


def _portion(queries: Tensor, aux: Tensor) -> tuple[int, int]:
    """How many queries of a row, and how many rows of so many, make one table."""
    entries = CPU_PORTION if aux.device.type == "cpu" else DEVICE_PORTION
    some = max(1, min(queries.shape[1], entries // aux.shape[1]))
    return some, max(1, entries // (some * aux.shape[1]))


def _table(queries: Tensor, centre: Tensor, aux: Tensor) -> Tensor:
    """e^{t (a_i - c)}: (b, q), (b, q), (b, d_a) -> (b, q, d_a).

    Exponents stop at -80: next to c's own weight, 1, the rest is nothing, and numbers too small
    for float32's normal range would be many times slower.
    """
    exponents = (aux[:, None] - centre[:, :, None]).mul_(queries[:, :, None])
    return exponents.clamp_(min=-80).exp_()


def _sums(
    queries: Tensor, centre: Tensor, aux: Tensor, columns: Tensor, want_variance: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of one table: of itself, by each of `columns`, (b, 3, d_a), and of squares.

    The squares are of a_i less the first column's mean, or zeros where they are not wanted.

    Returns:
        (b, q), (b, 3, q) and (b, q).
    """
    table = _table(queries, centre, aux)
    total = table.sum(2)
    products = torch.bmm(columns, table.mT)  # the few columns first: much faster on a CPU
    if not want_variance:
        return total, products, torch.zeros_like(total)
    deviations = aux[:, None] - (products[:, 0] / total)[:, :, None]
    return total, products, deviations.square_().mul_(table).sum(2)

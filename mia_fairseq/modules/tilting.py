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

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

# Entries of the table made at a time: half a megabyte of float32, so that the steps from one
# table to its sums stay in a core's cache; elsewhere, enough to fill the device.
CPU_PORTION = 1 << 17
DEVICE_PORTION = 1 << 24


class Tilted(NamedTuple):
    """What the weights of each query sum to; all (B, Q)."""

    mean: Tensor  # g(t)
    total: Tensor  # sum_i e^{t (a_i - c)}
    excess: Tensor  # c - g(t)
    variance: Tensor  # dg/dt; zeros where it was not wanted


def tilt(queries: Tensor, aux: Tensor, *, want_variance: bool) -> Tilted:
    """Weigh `aux`, (B, d_a), by e^{t a_i} for each t of `queries`, (B, Q)."""
    top, bottom = _extremes(aux)
    centre = torch.where(queries >= 0, top, bottom)
    columns = torch.stack([aux, top - aux, bottom - aux], dim=2)
    result = Tilted(*(torch.zeros_like(queries) for _ in Tilted._fields))
    for rows, some in _portions(queries, aux):
        t, c, a = queries[rows, some], centre[rows, some], aux[rows]
        table = _table(t, c, a)
        total = table.sum(2)
        direct, below_top, above_bottom = torch.bmm(table, columns[rows]).unbind(2)
        excess = torch.where(t >= 0, below_top, above_bottom) / total
        # Where c outweighs all else, a running sum loses the many small terms beside it.
        mean = torch.where(2 * excess.abs() < c.abs(), c - excess, direct / total)
        result.mean[rows, some] = mean
        result.total[rows, some] = total
        result.excess[rows, some] = excess
        if want_variance:
            squares = (a[:, None] - mean[:, :, None]).square_()
            result.variance[rows, some] = squares.mul_(table).sum(2) / total
    return result


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
    top, bottom = _extremes(aux)
    upward = queries >= 0
    centre = torch.where(upward, top, bottom)
    share = grad_mean / total
    slope = share * queries
    weights = torch.stack([share + slope * excess, slope * upward, slope * ~upward], dim=1)
    sums = aux.new_zeros(aux.shape[0], 3, aux.shape[1])
    for rows, some in _portions(queries, aux):
        table = _table(queries[rows, some], centre[rows, some], aux[rows])
        sums[rows] += torch.bmm(weights[rows, :, some], table)
    plain, near_top, near_bottom = sums.unbind(1)
    return plain + near_top * (aux - top) + near_bottom * (aux - bottom)


def _extremes(aux: Tensor) -> tuple[Tensor, Tensor]:
    return aux.amax(1, keepdim=True), aux.amin(1, keepdim=True)


def _table(queries: Tensor, centre: Tensor, aux: Tensor) -> Tensor:
    """e^{t (a_i - c)}: (b, q), (b, q), (b, d_a) -> (b, q, d_a).

    Exponents stop at -80: next to c's own weight, 1, the rest is nothing, and numbers too small
    for float32's normal range would be many times slower.
    """
    exponents = (aux[:, None] - centre[:, :, None]).mul_(queries[:, :, None])
    return exponents.clamp_(min=-80).exp_()


def _portions(queries: Tensor, aux: Tensor) -> Iterator[tuple[slice, slice]]:
    """Cut the table: several whole rows where a portion holds them, else part of one row."""
    entries = CPU_PORTION if aux.device.type == "cpu" else DEVICE_PORTION
    some = max(1, min(queries.shape[1], entries // aux.shape[1]))
    rows = max(1, entries // (some * aux.shape[1]))
    for start in range(0, queries.shape[0], rows):
        for first in range(0, queries.shape[1], some):
            yield slice(start, start + rows), slice(first, first + some)

"""Means and variances of the weights e^{t a_i}: the attention of one channel at one query t.

B batch, Q queries, d_a auxiliary dim.

With one channel, Eq. 3 weighs the auxiliary's entries by p_i(t) = e^{t a_i} / sum_k e^{t a_k}
and Eq. 5 takes their mean g(t) = sum_i p_i(t) a_i. Then dg/dt is the variance of a under p(t),
and dg/da_i = p_i (1 + t (a_i - g)).

Every exponent is written t (a_i - c), with c the entry that wins as |t| grows: the largest for
t >= 0, the smallest for t < 0. So it is never positive, and exact where entries near c are told
apart, at any scale. For the same reason c - g is summed by itself, not as a difference.

The table of exponentials, B Q d_a entries, is made portion by portion, small enough for a
processor's cache, and kept only where the caller asks for it.
"""

from typing import NamedTuple

import torch
from torch import Tensor

# Entries of the table made at a time: four megabytes of float32, so that the steps from one
# table to its sums stay in a processor's cache; elsewhere, enough to fill the device.
CPU_PORTION = 1 << 20
DEVICE_PORTION = 1 << 24
# Exponents stop here: next to c's own weight, 1, the rest is nothing, and numbers too small for
# float32's normal range would be many times slower.
LOWEST = -80.0


class Tilted(NamedTuple):
    """What the weights of each query sum to; all (B, Q)."""

    mean: Tensor  # g(t)
    total: Tensor  # sum_i e^{t (a_i - c)}
    excess: Tensor  # c - g(t)
    variance: Tensor  # dg/dt; zeros where it was not wanted
    table: Tensor | None = None  # e^{t (a_i - c)}, (B, Q, d_a), where it was to be kept


def tilt(queries: Tensor, aux: Tensor, *, want_variance: bool, keep_table: bool = False) -> Tilted:
    """Weighs an auxiliary's entries by e^{t a_i} for each query t.

    Args:
        queries: t, (B, Q).
        aux: a, (B, d_a).
        want_variance: whether the weighted variance is computed too.
        keep_table: whether the table of weights is kept for the gradient.
    """
    some, rows = _portion(queries, aux)
    if some < queries.shape[1] and not keep_table:
        parts = [tilt(t, aux, want_variance=want_variance) for t in queries.split(some, dim=1)]
        by_field = zip(*(part[:4] for part in parts), strict=True)
        return Tilted(*(torch.cat(part, dim=1) for part in by_field))
    upward = queries >= 0
    top, bottom = _extremes(aux)
    centre = torch.where(upward, top, bottom)
    columns = _columns(aux, top, bottom, want_variance)
    kept = aux.new_empty(*queries.shape, aux.shape[1]) if keep_table else None
    products = aux.new_empty(aux.shape[0], columns.shape[1], queries.shape[1])
    for first in range(0, aux.shape[0], rows):
        part = slice(first, first + rows)
        into = None if kept is None else kept[part]
        table = _table(queries[part], centre[part], aux[part], into)
        # The few columns first: much faster on a CPU.
        torch.bmm(columns[part], table.mT, out=products[part])
    total, sums = products[:, 0], products[:, 1:]
    direct, below_top, above_bottom, *moments = (sums / total[:, None]).unbind(1)
    excess = torch.where(upward, below_top, above_bottom)
    # Where c outweighs all else, a running sum loses the many small terms beside it.
    mean = torch.where(2 * excess.abs() < centre.abs(), centre - excess, direct)
    variance = _variance(upward, excess, moments) if want_variance else torch.zeros_like(mean)
    return Tilted(mean, total, excess, variance, kept)


def _columns(aux: Tensor, top: Tensor, bottom: Tensor, want_variance: bool) -> Tensor:
    """What is summed by the weights, (B, 4 or 8, d_a): 1, a, a's distances, and their squares."""
    distances = [top - aux, bottom - aux]
    if not want_variance:
        return torch.stack([torch.ones_like(aux), aux, *distances], dim=1)
    from_middle = aux - aux.mean(1, keepdim=True)
    squares = [part.square() for part in (*distances, from_middle)]
    return torch.stack([torch.ones_like(aux), aux, *distances, from_middle, *squares], dim=1)


def _variance(upward: Tensor, excess: Tensor, moments: list[Tensor]) -> Tensor:
    """The variance of a under the weights, (B, Q), from moments about the point nearer to g.

    Args:
        upward: whether t >= 0.
        excess: c - g(t).
        moments: the mean distance from a's plain mean, and the mean squares of the distances from
            the largest entry, from the smallest and from the plain mean.
    """
    from_middle, square_top, square_bottom, square_middle = moments
    square = torch.where(upward, square_top, square_bottom)
    near_c = excess.abs() < from_middle.abs()
    about = torch.where(near_c, excess, from_middle)
    return torch.where(near_c, square, square_middle).addcmul_(about, about, value=-1).clamp_(min=0)


def aux_gradient(
    queries: Tensor,
    aux: Tensor,
    total: Tensor,
    excess: Tensor,
    grad_mean: Tensor,
    table: Tensor | None = None,
) -> Tensor:
    """The gradient of sum_q grad_mean_q g(t_q) with respect to `aux`: (B, d_a).

    It is sum_q G_q p_qi (1 + t_q (a_i - g_q)), with a_i - g_q = (a_i - c_q) + (c_q - g_q).

    Args:
        queries: t, (B, Q).
        aux: a, (B, d_a).
        total: of `Tilted`, (B, Q).
        excess: of `Tilted`, (B, Q).
        grad_mean: the gradient of each g(t_q), (B, Q).
        table: of `Tilted`; made anew where it was not kept.
    """
    some, rows = _portion(queries, aux)
    upward = queries >= 0
    top, bottom = _extremes(aux)
    centre = torch.where(upward, top, bottom)
    share = grad_mean / total
    slope = share * queries
    weights = torch.stack([share + slope * excess, slope * upward, slope * ~upward], dim=1)
    if table is not None:
        sums = torch.bmm(weights, table)
    else:
        sums = aux.new_zeros(aux.shape[0], 3, aux.shape[1])
        for first in range(0, aux.shape[0], rows):
            part = slice(first, first + rows)
            for start in range(0, queries.shape[1], some):
                at = slice(start, start + some)
                made = _table(queries[part, at], centre[part, at], aux[part])
                sums[part].baddbmm_(weights[part, :, at], made)
    plain, near_top, near_bottom = sums.unbind(1)
    return plain + near_top * (aux - top) + near_bottom * (aux - bottom)


def _extremes(aux: Tensor) -> tuple[Tensor, Tensor]:
    return aux.amax(1, keepdim=True), aux.amin(1, keepdim=True)


def _portion(queries: Tensor, aux: Tensor) -> tuple[int, int]:
    """How many queries of a row, and how many rows of so many, make one table."""
    entries = CPU_PORTION if aux.device.type == "cpu" else DEVICE_PORTION
    some = max(1, min(queries.shape[1], entries // aux.shape[1]))
    return some, max(1, entries // (some * aux.shape[1]))


def _table(queries: Tensor, centre: Tensor, aux: Tensor, out: Tensor | None = None) -> Tensor:
    """e^{t (a_i - c)}: (b, q), (b, q), (b, d_a) -> (b, q, d_a)."""
    exponents = torch.sub(aux[:, None], centre[:, :, None], out=out).mul_(queries[:, :, None])
    return exponents.clamp_(min=LOWEST).exp_()

"""The attention of one channel with an auxiliary condensed to a few points.

B batch, Q queries, d_a auxiliary dim, K = `DEGREE` + 1 points.

`tilting` sums e^{t a_i} over all d_a entries at each query t. With a = m + r x, x in [-1, 1] and
z = r t, each entry's e^{z x_i} is to many digits the polynomial in x that agrees with e^{z x} at K
Chebyshev nodes u_k. So the sums over all entries are sums over the nodes,

    sum_i f(x_i) e^{z x_i} = sum_k w_k f(u_k) e^{z u_k},    w_k = sum_i l_k(x_i),

with l_k the polynomial that is 1 at u_k and 0 at the other nodes: Q K exponentials instead of
Q d_a. How far z may reach follows from the coefficients of e^{z x}, the Bessel functions I_n(z).
All is in float64, in which what cancels between weights of both signs does not show.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mia_fairseq.modules.fast_attention import chebyshev

DEGREE = 40
# The largest |z| at which 2 z sum_{n > DEGREE} I_n(z) is below 1e-11 (float32) and 1e-15 of e^|z|.
REACH = {torch.float32: 27.0, torch.float64: 19.0}


class Condensed(NamedTuple):
    """What the gradient needs, all float64; kept by autograd."""

    queries: Tensor  # z: (B, Q)
    total: Tensor  # sum_i e^{z x_i - |z|}: (B, Q)
    mean: Tensor  # of x under the weights: (B, Q)
    table: Tensor  # e^{z u_k - |z|}: (B, Q, K)
    inner: Tensor  # with the next, of `chebyshev.Basis` at the x_i
    outer: Tensor


def condense(queries: Tensor, aux: Tensor) -> tuple[Tensor, Tensor, Condensed]:
    """Mean and variance of an auxiliary's entries under e^{t a_i}, as `tilting.tilt` has them.

    Args:
        queries: t, (B, Q), with |t| (max a - min a) / 2 within `REACH`.
        aux: a, (B, d_a), whose entries are not all equal.

    Returns:
        (B, Q) both, float64, and what `aux_gradient` needs.
    """
    entries = aux.double()
    top, bottom = entries.amax(1, keepdim=True), entries.amin(1, keepdim=True)
    middle, radius = (top + bottom) / 2, (top - bottom) / 2
    at = chebyshev.basis((entries - middle) / radius, DEGREE)
    weights = chebyshev.transpose(None, at)  # w: (B, K)
    z = queries.double() * radius
    points = chebyshev.lobatto_nodes(DEGREE, aux.device)
    table = (z[:, :, None] * points).sub_(z.abs()[:, :, None]).exp_()
    moments = torch.stack([torch.ones_like(points), points, points.square()], dim=1)
    total, first, second = (table @ (weights[:, :, None] * moments)).unbind(2)
    mean = first / total
    variance = (second / total - mean.square()).clamp_(min=0)
    kept = Condensed(z, total, mean, table, at.inner, at.outer)
    return middle + radius * mean, radius.square() * variance, kept


def aux_gradient(kept: Condensed, grad_mean: Tensor) -> Tensor:
    """The gradient of sum_q grad_mean_q g(t_q), (B, Q), with respect to the entries: (B, d_a).

    It is sum_q G_q p_qi (1 + z_q (x_i - g_q)): a polynomial in x as well, made at the nodes.
    """
    share = grad_mean.double() / kept.total
    slope = share * kept.queries
    sums = torch.stack([share - slope * kept.mean, slope], dim=1) @ kept.table
    points = chebyshev.lobatto_nodes(DEGREE, sums.device)
    values = sums[:, :1] + sums[:, 1:] * points  # (B, 1, K)
    return chebyshev.evaluate(values, chebyshev.Basis(DEGREE, kept.inner, kept.outer))[:, 0]

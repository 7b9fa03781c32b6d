"""Chebyshev interpolation of one smooth function per batch row, and its transpose.

B batch, K = degree + 1 nodes, F functions sampled at the same nodes, P points.

Interpolation is linear in the values at the nodes, so its gradient is the transposed map; both
are given here. Background: L. N. Trefethen, "Approximation Theory and Approximation Practice"
(SIAM, 2013), chapters 3, 4 and 8.

A polynomial of degree N is evaluated with about 2 sqrt(N) Chebyshev polynomials a point instead
of N (the idea of Paterson and Stockmeyer, here in the Chebyshev basis): with N = q J,

    p(u) = sum_j T_qj(u) sum_{i<q} b_ji T_i(u),    T_qj(u) = T_j(T_q(u)),

where the b_ji follow from T_qj T_i = (T_{qj+i} + T_{qj-i}) / 2. The map from values at the nodes
to the b_ji is a constant matrix.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor


class Basis(NamedTuple):
    """Chebyshev polynomials at the points of each row, as `evaluate` and `transpose` need them."""

    degree: int
    inner: Tensor  # T_0 ... T_{q-1}: (q, B, P)
    outer: Tensor  # T_0, T_q, T_2q ... T_N: (N / q + 1, B, P)


@lru_cache(maxsize=32)
def lobatto_nodes(degree: int, device: torch.device) -> Tensor:
    """Nodes cos(pi n / degree), n = 0 ... degree, from 1 down to -1, in float64: (degree + 1,)."""
    with torch.inference_mode(False):
        index = torch.arange(degree + 1, dtype=torch.float64)
        return torch.cos(index * (math.pi / degree)).to(device)


def block_size(degree: int) -> int:
    """The q of the module's docstring: the largest power of two in N that is at most 2 sqrt(N)."""
    size = degree & -degree
    while size * size > 4 * degree:
        size //= 2
    return size


def _values_to_coefficients(degree: int) -> Tensor:
    """The discrete cosine transform from values at the nodes to coefficients of T_k: (K, K)."""
    index = torch.arange(degree + 1, dtype=torch.float64)
    ends = torch.ones(degree + 1, dtype=torch.float64)
    ends[0] = ends[-1] = 0.5
    cosines = torch.cos(torch.outer(index, index) * (math.pi / degree))
    return cosines * torch.outer(ends, ends) * (2 / degree)


@lru_cache(maxsize=32)
def _tail_matrix(degree: int, device: torch.device) -> Tensor:
    """From values at the nodes to the last eighth of the coefficients: (K, degree / 8)."""
    with torch.inference_mode(False), torch.no_grad():
        return _values_to_coefficients(degree)[-(degree // 8) :].T.contiguous().to(device)


@lru_cache(maxsize=32)
def _block_matrix(degree: int, device: torch.device) -> Tensor:
    """From values at the nodes to the b_ji of the module's docstring: (K, (N / q + 1) q)."""
    q = block_size(degree)
    blocks = degree // q + 1
    with torch.inference_mode(False), torch.no_grad():
        rest = torch.zeros(blocks * q, degree + 1, dtype=torch.float64)
        rest[: degree + 1] = _values_to_coefficients(degree)
        for j in range(blocks - 1, 0, -1):  # c T_{qj+i} = 2c T_qj T_i - c T_{qj-i}
            for i in range(1, q):
                rest[j * q - i] -= rest[j * q + i]
                rest[j * q + i] *= 2
        return rest.T.contiguous().to(device)


def tail(values: Tensor) -> Tensor:
    """How far the interpolant may still be from the function.

    The sum of the moduli of the last eighth of its coefficients. With coefficients that fall
    geometrically it bounds what the missing ones add up to, with room to spare.

    Args:
        values: values at the nodes, (..., K), with K above 16.

    Returns:
        (...), in float64.
    """
    degree = values.shape[-1] - 1
    return (values.double() @ _tail_matrix(degree, values.device)).abs().sum(-1)


def basis(points: Tensor, degree: int) -> Basis:
    """Prepare for interpolation at `points`, (B, P) in [-1, 1]."""
    q = block_size(degree)
    u = points.clamp(-1, 1)
    table = u.new_empty(q + degree // q + 1, *u.shape)
    inner, outer = table[:q], table[q:]
    _recurrence(inner, u)
    step = inner[q // 2]
    _recurrence(outer, 2 * step * step - 1 if q > 1 else u)  # T_q = 2 T_{q/2}^2 - 1
    return Basis(degree, inner, outer)


def _recurrence(table: Tensor, u: Tensor) -> None:
    """Fills T_0(u), T_1(u) ... by T_{k+1} = 2 u T_k - T_{k-1}."""
    table[0] = 1
    if len(table) > 1:
        table[1] = u
    twice = 2 * u
    for k in range(2, len(table)):
        torch.mul(twice, table[k - 1], out=table[k]).sub_(table[k - 2])


def evaluate(values: Tensor, at: Basis) -> Tensor:
    """The interpolants of `values`, (B, F, K), at the points of `at`: (B, F, P)."""
    rows, functions, _ = values.shape
    q, count = at.inner.shape[0], at.outer.shape[0]
    blocks = values.double() @ _block_matrix(at.degree, values.device)  # b_ji
    blocks = blocks.to(at.inner.dtype).view(rows, functions * count, q)
    sums = torch.bmm(blocks, at.inner.transpose(0, 1)).view(
        rows, functions, count, at.inner.shape[2]
    )
    return sums.mul_(at.outer.transpose(0, 1)[:, None]).sum(2)


def transpose(weights: Tensor, at: Basis) -> Tensor:
    """The transpose of `evaluate` for one function: `weights` of the points, (B, P) -> (B, K).

    sum_j weights_j p(u_j) = sum_n transpose(weights)_n p(x_n) for the nodes x_n.
    """
    # In float64: where the points crowd together, the sums of all nodes but a few nearly cancel.
    weighted = (at.outer * weights).transpose(0, 1).double()  # (B, N/q + 1, P)
    blocks = torch.bmm(weighted, at.inner.permute(1, 2, 0).double()).flatten(1)
    return (blocks @ _block_matrix(at.degree, blocks.device).T).to(at.inner.dtype)

"""Polynomials of high degree at many points, and sums of many points' powers; all in float64.

B batch, P points, F functions, N = `BLOCK` J terms.

By Paterson and Stockmeyer's scheme: with N = q J and y = u^q,

    p(u) = sum_{j<J} y^j sum_{i<q} c_{qj+i} u^i,

one matrix product with u^0 ... u^{q-1} and Horner's rule in y. Sums of weighted powers are the
transpose. What is short here takes as long as the calls of torch that it makes, so these are few.
"""

import math
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

BLOCK = 8  # q: powers of a point that are made one by one


def powers(table: Tensor) -> Tensor:
    """Fills a table (q + 1, B, P), whose row 1 holds points u, with u^0 ... u^q."""
    rows = table.unbind()
    rows[0].fill_(1)
    for k in range(2, len(rows)):
        torch.mul(rows[k // 2], rows[k - k // 2], out=rows[k])
    return table


def evaluate(coefficients: Tensor, table: Tensor) -> Tensor:
    """The polynomials with `coefficients`, (B, J, F, q), at the points of `table`: (B, F, P)."""
    rows, blocks, functions, _ = coefficients.shape
    parts = coefficients.reshape(rows, blocks * functions, BLOCK)
    sums = torch.bmm(parts, table[:BLOCK].transpose(0, 1)).view(rows, blocks, functions, -1)
    *lower, result = sums.unbind(1)
    step = table[BLOCK].unsqueeze(1)  # y
    for part in reversed(lower):
        result = part.addcmul_(result, step)
    return result


def power_sums(weights: Tensor | None, table: Tensor, blocks: int) -> Tensor:
    """sum_p weights_p u_p^n for n < q `blocks`, of the points u of `table`.

    Args:
        weights: (B, F, P); None for one function of ones.
        table: of `powers`.
        blocks: how many times q sums there are to be.

    Returns:
        (B, `blocks`, F, q), n falling into the second and the last.
    """
    _, rows, points = table.shape
    functions = 1 if weights is None else weights.shape[1]
    step = table[BLOCK].unsqueeze(1)  # y
    weighted = table.new_empty(rows, blocks, functions, points)
    parts = weighted.unbind(1)
    if weights is None:
        parts[0].fill_(1)
    else:
        parts[0].copy_(weights)
    for part, following in pairwise(parts):
        torch.mul(part, step, out=following)  # y^j times the weights
    flat = weighted.view(rows, blocks * functions, points)
    return torch.bmm(flat, table[:BLOCK].permute(1, 2, 0)).view(rows, blocks, functions, BLOCK)


@lru_cache(maxsize=32)
def inverse_factorials(blocks: int) -> Tensor:
    """1 / n! for n < q `blocks`: (`blocks`, 1, q)."""
    with torch.inference_mode(False):
        found = [1 / math.factorial(n) for n in range(BLOCK * blocks)]
        return torch.tensor(found, dtype=torch.float64).view(blocks, 1, BLOCK)

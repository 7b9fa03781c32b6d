"""Interactive attention with one channel: one smooth scalar function per sample (Eq. 1-5).

B batch, b some of its rows, d_m main dim, d_a auxiliary dim, K = degree + 1 nodes.

Equals `interactive_attention.written_out_attention` to a tolerance, with its gradients.

With c = 1 the updated main feature is M-hat_j = g(t_j), t_j = w m_j, where g depends on the
auxiliary alone (see `tilting`). So g is computed at K Chebyshev nodes between the smallest and
the largest t_j of a row and interpolated to all d_m of them: d_a K exponentials instead of
d_a d_m, forward and backward.

g bends near t = 0, within a few times 1 / (max a - min a), and is nearly constant far from it.
The nodes are therefore spread over v = asinh(t / s) with s of that size, and the interpolant is a
polynomial in v: the number of nodes grows with the logarithm of the scale only.

Where t (max a - min a) is moderate, which it is for features of unit variance, a power series gives
g at every query for less, on a CPU (see `moments`). What follows is for all other rows.

Each row starts with as many nodes as the width of its interval in v suggests and doubles them
until the last Chebyshev coefficients of g, and of dg/dv where a gradient is wanted, are below the
tolerance. A row for which that would cost more than the exact form takes the exact form. So a
row's result depends on that row alone.

Where matrix products are allowed to round float32 to less (`torch.set_float32_matmul_precision`),
so do these; the tolerance is then out of reach and rows take the exact form, with that rounding.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mia_fairseq.modules.fast_attention import chebyshev, moments
from mia_fairseq.modules.fast_attention.query_rows import Rows, first_degrees, place, put, take
from mia_fairseq.modules.fast_attention.tilting import aux_gradient, tilt

# Doubled from first to last. 48 is enough for 99 of 100 rows of unit variance, and fewer would save
# little: so a batch of such rows is computed together.
FIRST_DEGREE = 48
LAST_DEGREE = 768
KEPT_NODES = 1 / 8  # the table is kept with fewer nodes than this share of d_m
# Work to interpolate, a point and a row, in entries of the table e^{t a_i}; measured on a CPU.
POINT_COST = 40
ROW_COST = 8192


class Piece(NamedTuple):
    """The rows computed with one degree. Tensors only, to be saved for the backward pass."""

    rows: Tensor  # indices into the batch: (b,)
    nodes: Tensor  # t at the nodes: (b, K)
    total: Tensor  # with the next, of `Tilted` at the nodes
    excess: Tensor
    table: Tensor  # of `Tilted` too; empty where it was not kept
    inner: Tensor  # with the next, of `chebyshev.Basis` at the points; empty in the exact form
    outer: Tensor


def all_degrees() -> tuple[int, ...]:
    """All the degrees there are, whatever they cost."""
    count = (LAST_DEGREE // FIRST_DEGREE).bit_length()
    return tuple(FIRST_DEGREE << k for k in range(count))


def degrees_worthwhile(main_dim: int, aux_dim: int) -> tuple[int, ...]:
    """The degrees with which interpolation is cheaper than the exact form."""
    spare = main_dim * aux_dim - POINT_COST * main_dim - ROW_COST
    return tuple(degree for degree in all_degrees() if (degree + 1) * aux_dim <= spare)


def attend_by_reach(
    queries: Tensor, aux: Tensor, tolerance: float, degrees: Sequence[int]
) -> Tensor:
    """`closed_form_attention`, but of rows within the reach of the power series by that."""
    if queries.device.type != "cpu":  # elsewhere exponentials cost little, and float64 much
        return closed_form_attention(queries, aux, tolerance, degrees)
    rows, most = moments.measure(queries, aux), moments.furthest(aux.shape[1], aux.dtype)[-1]
    near = [number for number, row in enumerate(rows) if row.reach <= most]  # never with a NaN
    if not near:  # nor where there are no rows
        return closed_form_attention(queries, aux, tolerance, degrees)
    if len(near) == len(rows):
        return moments.attention_by_moments(queries, aux, rows)
    far = sorted(set(range(len(rows))) - set(near))
    parts = [
        moments.attention_by_moments(queries[near], aux[near], [rows[number] for number in near]),
        closed_form_attention(queries[far], aux[far], tolerance, degrees),
    ]
    return torch.cat(parts)[torch.tensor(near + far).argsort()]


def closed_form_attention(
    queries: Tensor, aux: Tensor, tolerance: float, degrees: Sequence[int]
) -> Tensor:
    """g(t_j) = sum_i a_i e^{t_j a_i} / sum_i e^{t_j a_i}.

    Args:
        queries: t = w m, (B, d_m), float32 or float64.
        aux: a, (B, d_a), of the same type.
        tolerance: how large the last coefficients of g may be, relative to the largest |g| at the
            row's nodes, and those of dg/dv likewise.
        degrees: the degrees to try, ascending; none for the exact form.

    Returns:
        (B, d_m). Differentiable once with respect to both tensors.
    """
    result: Tensor = _ClosedForm.apply(queries, aux, tolerance, tuple(degrees))
    return result


class _ClosedForm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, aux: Tensor, tolerance: float, degrees: tuple[int, ...]
    ) -> Tensor:
        output = torch.empty_like(queries)
        slope = torch.empty_like(queries) if ctx.needs_input_grad[0] else None
        pieces: list[Piece] = []
        pending: Sequence[int] = range(queries.shape[0])
        # Kept, the table saves its exponentials in the backward pass.
        keep = KEPT_NODES * queries.shape[1] if ctx.needs_input_grad[1] else 0
        if degrees:
            batch = place(queries, aux)
            first = first_degrees(batch, tolerance)
        for degree in degrees:
            begun = [row for row in pending if first[row] <= degree]
            piece = None
            if begun:
                given = batch, torch.tensor(begun), degree, tolerance, output, slope
                piece = _interpolate(*given, keep_table=degree < keep)
            if piece is not None:
                done = set(piece.rows.tolist())
                pending = [row for row in pending if row not in done]
                pieces.append(piece)
        if pending:
            pieces.append(_exact(queries, aux, torch.tensor(pending), output, slope))
        ctx.save_for_backward(aux, slope, *(tensor for piece in pieces for tensor in piece))
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        aux, slope, *flat = ctx.saved_tensors
        size = len(Piece._fields)
        pieces = [Piece(*flat[i : i + size]) for i in range(0, len(flat), size)]
        grad_queries = None if slope is None else grad * slope
        grad_aux = None
        if ctx.needs_input_grad[1]:
            grad_aux = torch.empty_like(aux)
            with torch.autocast(grad.device.type, enabled=False):
                for piece in pieces:
                    put(grad_aux, piece.rows, _aux_gradient(piece, aux, grad))
        return grad_queries, grad_aux, None, None


def _interpolate(
    batch: Rows,
    rows: Tensor,
    degree: int,
    tolerance: float,
    output: Tensor,
    slope: Tensor | None,
    *,
    keep_table: bool,
) -> Piece | None:
    """Try one degree on `rows`; write g, and g' where wanted, of those for which it is enough.

    Returns:
        What the backward pass needs of the rows for which it was enough, if there are any.
    """
    part = batch.select(rows)
    nodes = part.nodes(degree)
    tilted = tilt(nodes, part.aux, want_variance=slope is not None, keep_table=keep_table)
    table = nodes.new_empty(0) if tilted.table is None else tilted.table
    values = tilted.mean[:, None]
    if slope is not None:
        stretched = tilted.variance * part.stretch_at(nodes)  # dg/dv
        values = torch.stack([tilted.mean, stretched], dim=1)
    kept = _converged(values, part, tolerance).cpu().nonzero()[:, 0]
    if not kept.numel():
        return None
    part, rows = part.select(kept), rows[kept]
    at = chebyshev.basis(part.points, degree)
    found = chebyshev.evaluate(take(values, kept), at)
    put(output, rows, found[:, 0])
    if slope is not None:
        put(slope, rows, found[:, 1] / part.stretch)
    tensors = (nodes, tilted.total, tilted.excess, table)
    made = (take(tensor, kept) if tensor.numel() else tensor for tensor in tensors)
    return Piece._make((rows, *made, at.inner, at.outer))


def _exact(
    queries: Tensor, aux: Tensor, rows: Tensor, output: Tensor, slope: Tensor | None
) -> Piece:
    """Write g, and g' where wanted, of `rows` without interpolation: the nodes are the queries."""
    nodes = take(queries, rows)
    tilted = tilt(nodes, take(aux, rows), want_variance=slope is not None)
    put(output, rows, tilted.mean)
    if slope is not None:
        put(slope, rows, tilted.variance)
    none = aux.new_empty(0)
    return Piece(rows, nodes, tilted.total, tilted.excess, none, none, none)


def _aux_gradient(piece: Piece, aux: Tensor, grad: Tensor) -> Tensor:
    """The gradient of the auxiliary, (b, d_a), through the values at the nodes.

    The exact g does not depend on where the nodes are, so they count as constants.
    """
    grad_mean = take(grad, piece.rows)
    if piece.inner.numel():
        basis = chebyshev.Basis(piece.nodes.shape[1] - 1, piece.inner, piece.outer)
        grad_mean = chebyshev.transpose(grad_mean, basis)
    table = piece.table if piece.table.numel() else None
    part = take(aux, piece.rows)
    return aux_gradient(piece.nodes, part, piece.total, piece.excess, grad_mean, table)


def _converged(values: Tensor, rows: Rows, tolerance: float) -> Tensor:
    """Whether the nodes are enough for the functions sampled there, (b, F, K): (b,).

    NaN is never enough. What rounding alone leaves in g, about an eighth of the entries' range
    by the float's epsilon, is no reason to go on.
    """
    allowed = tolerance * values.abs().amax(2)
    allowed[:, :1] += torch.finfo(values.dtype).eps * rows.sharpness
    return (chebyshev.tail(values) <= allowed).all(1)

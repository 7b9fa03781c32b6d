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

Where t (max a - min a) is moderate, the sums over the d_a entries at the nodes are themselves sums
over a few points (see `condensing`): then no exponential is taken of an entry at all.

Each row starts with as many nodes as the width of its interval in v suggests and doubles them
until the last Chebyshev coefficients of g, and of dg/dv where a gradient is wanted, are below the
tolerance. A row for which that would cost more than the exact form takes the exact form. So a
row's result depends on that row alone.

Where matrix products are allowed to round float32 to less (`torch.set_float32_matmul_precision`),
so do these; the tolerance is then out of reach and rows take the exact form, with that rounding.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mia_fairseq.modules.fast_attention import chebyshev, condensing
from mia_fairseq.modules.fast_attention.condensing import Condensed, condense
from mia_fairseq.modules.fast_attention.tilting import aux_gradient, tilt

# Doubled from first to last. 48 is enough for 99 of 100 rows of unit variance, and fewer would save
# little: so a batch of such rows is computed together.
FIRST_DEGREE = 48
LAST_DEGREE = 768
# s = BEND / (max a - min a). From 4 to 12 the number of nodes hardly changes, over Gaussian,
# Laplace, uniform and two-valued entries and one entry far from the others.
BEND = 8.0
# For each decimal digit wanted, an interval of width v suggests the degree 1.3 v^GROWTH: enough
# for nearly all rows of Gaussian entries, measured over widths from 0.1 to 13.
MARGIN, GROWTH = 1.3, 1.3
WORTH = 3  # entries of an auxiliary, in condensing's degrees, from which condensing it is cheaper
DEVICE_DEGREE = 80  # where to start on a GPU: nodes cost little there, looking at widths a wait
KEPT_NODES = 1 / 8  # the table is kept with fewer nodes than this share of d_m
# Work to interpolate, a point and a row, in entries of the table e^{t a_i}; measured on a CPU.
POINT_COST = 40
ROW_COST = 8192


class Rows(NamedTuple):
    """Some rows of the batch, and where their queries lie in v = asinh(t / s)."""

    queries: Tensor  # t: (b, d_m)
    aux: Tensor  # a: (b, d_a)
    points: Tensor  # the queries' places in [-1, 1], linear in v: (b, d_m)
    stretch: Tensor  # dt/dv = sqrt(s^2 + t^2) at the queries: (b, d_m)
    sharpness: Tensor  # 1 / s: (b, 1)
    low: Tensor  # the smallest v: (b, 1)
    width: Tensor  # the largest less the smallest v, 1 where all are equal: (b, 1)
    reach: Tensor  # the largest |t| (max a - min a) / 2: (b, 1)

    def select(self, rows: Tensor) -> "Rows":
        return Rows(*(_take(part, rows) for part in self))

    def nodes(self, degree: int) -> Tensor:
        """t at the Chebyshev nodes: (b, K)."""
        places = chebyshev.lobatto_nodes(degree, self.points.device).to(self.points.dtype)
        return torch.sinh(self.low + (places + 1) * (self.width / 2)) / self.sharpness

    def stretch_at(self, nodes: Tensor) -> Tensor:
        """dt/dv at `nodes`, (b, K): (b, K)."""
        return torch.hypot(1 / self.sharpness, nodes)


class Piece(NamedTuple):
    """The rows computed with one degree. Tensors only, to be saved for the backward pass."""

    rows: Tensor  # indices into the batch: (b,)
    nodes: Tensor  # t at the nodes, or z of `Condensed`: (b, K)
    total: Tensor  # with the next, of `Tilted` at the nodes, or total and mean of `Condensed`
    excess: Tensor
    table: Tensor  # of `Tilted` too; empty where it was not kept
    inner: Tensor  # with the next, of `chebyshev.Basis` at the points; empty in the exact form
    outer: Tensor
    aux_inner: Tensor  # with the next, of `Condensed`; empty where the auxiliary was not condensed
    aux_outer: Tensor


def all_degrees() -> tuple[int, ...]:
    """All the degrees there are, whatever they cost."""
    count = (LAST_DEGREE // FIRST_DEGREE).bit_length()
    return tuple(FIRST_DEGREE << k for k in range(count))


def degrees_worthwhile(main_dim: int, aux_dim: int) -> tuple[int, ...]:
    """The degrees with which interpolation is cheaper than the exact form."""
    spare = main_dim * aux_dim - POINT_COST * main_dim - ROW_COST
    return tuple(degree for degree in all_degrees() if (degree + 1) * aux_dim <= spare)


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
            batch = _place(queries, aux)
            first, near = _first_degrees(batch, tolerance), _near(batch)
        for degree in degrees:
            begun = [row for row in pending if first[row] <= degree]
            for condensed in (True, False):
                rows = [row for row in begun if near[row] == condensed]
                piece = None
                if rows:
                    given = batch, torch.tensor(rows), degree, tolerance, output, slope
                    kept = degree < keep and not condensed
                    piece = _interpolate(*given, keep_table=kept, condensed=condensed)
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
                    _put(grad_aux, piece.rows, _aux_gradient(piece, aux, grad))
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
    condensed: bool,
) -> Piece | None:
    """Try one degree on `rows`; write g, and g' where wanted, of those for which it is enough.

    With `condensed` the sums at the nodes are over a condensed auxiliary.

    Returns:
        What the backward pass needs of the rows for which it was enough, if there are any.
    """
    part = batch.select(rows)
    nodes = part.nodes(degree)
    made: tuple[Tensor, ...]
    places: tuple[Tensor, ...]
    if condensed:
        mean, variance, sums = condense(nodes, part.aux)
        made = sums.queries, sums.total, sums.mean, sums.table
        places = sums.inner, sums.outer
    else:
        tilted = tilt(nodes, part.aux, want_variance=slope is not None, keep_table=keep_table)
        mean, variance, nothing = tilted.mean, tilted.variance, nodes.new_empty(0)
        table = nothing if tilted.table is None else tilted.table
        made, places = (nodes, tilted.total, tilted.excess, table), (nothing, nothing)
    values = mean[:, None]
    if slope is not None:
        stretched = variance * part.stretch_at(nodes)  # dg/dv
        values = torch.stack([mean, stretched], dim=1)
    kept = _converged(values, part, tolerance).cpu().nonzero()[:, 0]
    if not kept.numel():
        return None
    part, rows = part.select(kept), rows[kept]
    at = chebyshev.basis(part.points, degree)
    found = chebyshev.evaluate(_take(values, kept), at)
    _put(output, rows, found[:, 0])
    if slope is not None:
        _put(slope, rows, found[:, 1] / part.stretch)
    made = tuple(_take(tensor, kept) if tensor.numel() else tensor for tensor in made)
    if condensed:
        places = tuple(_take(tensor.transpose(0, 1), kept).transpose(0, 1) for tensor in places)
    return Piece._make((rows, *made, at.inner, at.outer, *places))


def _exact(
    queries: Tensor, aux: Tensor, rows: Tensor, output: Tensor, slope: Tensor | None
) -> Piece:
    """Write g, and g' where wanted, of `rows` without interpolation: the nodes are the queries."""
    nodes = _take(queries, rows)
    tilted = tilt(nodes, _take(aux, rows), want_variance=slope is not None)
    _put(output, rows, tilted.mean)
    if slope is not None:
        _put(slope, rows, tilted.variance)
    none = aux.new_empty(0)
    return Piece(rows, nodes, tilted.total, tilted.excess, none, none, none, none, none)


def _aux_gradient(piece: Piece, aux: Tensor, grad: Tensor) -> Tensor:
    """The gradient of the auxiliary, (b, d_a), through the values at the nodes.

    The exact g does not depend on where the nodes are, so they count as constants.
    """
    grad_mean = _take(grad, piece.rows)
    if piece.inner.numel():
        basis = chebyshev.Basis(piece.nodes.shape[1] - 1, piece.inner, piece.outer)
        grad_mean = chebyshev.transpose(grad_mean, basis)
    if piece.aux_inner.numel():
        sums = Condensed(*piece[1:5], piece.aux_inner, piece.aux_outer)
        return condensing.aux_gradient(sums, grad_mean).to(grad.dtype)
    table = piece.table if piece.table.numel() else None
    part = _take(aux, piece.rows)
    return aux_gradient(piece.nodes, part, piece.total, piece.excess, grad_mean, table)


def _place(queries: Tensor, aux: Tensor) -> Rows:
    """Find each row's interval and the queries' places in it."""
    spread = aux.amax(1, keepdim=True) - aux.amin(1, keepdim=True)
    sharpness = (spread / BEND).clamp(min=1e-18)
    scaled = queries * sharpness
    size, root = scaled.abs(), torch.sqrt(1 + scaled * scaled)
    # asinh by vectorised functions, several times faster than torch.asinh on a CPU
    v = torch.log1p(size + size * size / (1 + root)).copysign(scaled)
    low = v.amin(1, keepdim=True)
    width = v.amax(1, keepdim=True) - low
    width = torch.where(width > 0, width, 1)
    points = (v - low) / width * 2 - 1
    reach = size.amax(1, keepdim=True) * (BEND / 2)
    return Rows(queries, aux, points, root / sharpness, sharpness, low, width, reach)


def _first_degrees(batch: Rows, tolerance: float) -> list[float]:
    """The degree below which each row need not start; NaN where it is not known."""
    if batch.width.device.type != "cpu":
        return [DEVICE_DEGREE] * batch.width.shape[0]
    digits = -math.log10(min(max(tolerance, torch.finfo(batch.width.dtype).eps), 0.1))
    degrees: list[float] = (MARGIN * digits * batch.width[:, 0] ** GROWTH).tolist()
    return degrees


def _near(batch: Rows) -> list[bool]:
    """Whether a row's auxiliary is worth condensing, and its queries are within reach of that."""
    most = condensing.REACH[batch.aux.dtype]
    if batch.aux.device.type != "cpu" or batch.aux.shape[1] < WORTH * condensing.DEGREE:
        return [False] * len(batch.aux)  # elsewhere exponentials cost little, and float64 much
    reach = batch.reach[:, 0]
    near: list[bool] = ((reach > 0) & (reach <= most)).tolist()
    return near


def _converged(values: Tensor, rows: Rows, tolerance: float) -> Tensor:
    """Whether the nodes are enough for the functions sampled there, (b, F, K): (b,).

    NaN is never enough. What rounding alone leaves in g, about an eighth of the entries' range
    by the float's epsilon, is no reason to go on.
    """
    allowed = tolerance * values.abs().amax(2)
    allowed[:, :1] += torch.finfo(values.dtype).eps * rows.sharpness
    return (chebyshev.tail(values) <= allowed).all(1)


def _take(tensor: Tensor, rows: Tensor) -> Tensor:
    """`tensor[rows]` for ascending rows without a repetition; no copy where they are all."""
    return tensor if rows.shape[0] == tensor.shape[0] else tensor[rows]


def _put(tensor: Tensor, rows: Tensor, values: Tensor) -> None:
    """`tensor[rows] = values`, for rows as in `_take`."""
    if rows.shape[0] == tensor.shape[0]:
        tensor.copy_(values)
    else:
        tensor[rows] = values

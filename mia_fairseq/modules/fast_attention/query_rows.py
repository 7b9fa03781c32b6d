"""Rows of the closed form: where their queries lie, and how they are best computed.

B batch, b some of its rows, d_m main dim, d_a auxiliary dim, K = degree + 1 nodes.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mia_fairseq.modules.fast_attention import chebyshev

# s = BEND / (max a - min a). From 4 to 12 the number of nodes hardly changes, over Gaussian,
# Laplace, uniform and two-valued entries and one entry far from the others.
BEND = 8.0
# For each decimal digit wanted, an interval of width v suggests the degree 1.3 v^GROWTH: enough
# for nearly all rows of Gaussian entries, measured over widths from 0.1 to 13.
MARGIN, GROWTH = 1.3, 1.3
DEVICE_DEGREE = 80  # where to start on a GPU: nodes cost little there, looking at widths a wait


class Rows(NamedTuple):
    """Some rows of the batch, and where their queries lie in v = asinh(t / s)."""

    queries: Tensor  # t: (b, d_m)
    aux: Tensor  # a: (b, d_a)
    points: Tensor  # the queries' places in [-1, 1], linear in v: (b, d_m)
    stretch: Tensor  # dt/dv = sqrt(s^2 + t^2) at the queries: (b, d_m)
    sharpness: Tensor  # 1 / s: (b, 1)
    low: Tensor  # the smallest v: (b, 1)
    width: Tensor  # the largest less the smallest v, 1 where all are equal: (b, 1)

    def select(self, rows: Tensor) -> "Rows":
        return Rows(*(take(part, rows) for part in self))

    def nodes(self, degree: int) -> Tensor:
        """t at the Chebyshev nodes: (b, K)."""
        places = chebyshev.lobatto_nodes(degree, self.points.device).to(self.points.dtype)
        return torch.sinh(self.low + (places + 1) * (self.width / 2)) / self.sharpness

    def stretch_at(self, nodes: Tensor) -> Tensor:
        """dt/dv at `nodes`, (b, K): (b, K)."""
        return torch.hypot(1 / self.sharpness, nodes)


def place(queries: Tensor, aux: Tensor) -> Rows:
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
    return Rows(queries, aux, points, root / sharpness, sharpness, low, width)


def first_degrees(batch: Rows, tolerance: float) -> list[float]:
    """The degree below which each row need not start; NaN where it is not known."""
    if batch.width.device.type != "cpu":
        return [DEVICE_DEGREE] * batch.width.shape[0]
    digits = -math.log10(min(max(tolerance, torch.finfo(batch.width.dtype).eps), 0.1))
    degrees: list[float] = (MARGIN * digits * batch.width[:, 0] ** GROWTH).tolist()
    return degrees


def take(tensor: Tensor, rows: Tensor) -> Tensor:
    """`tensor[rows]` for ascending rows without a repetition; no copy where they are all."""
    return tensor if rows.shape[0] == tensor.shape[0] else tensor[rows]


def put(tensor: Tensor, rows: Tensor, values: Tensor) -> None:
    """`tensor[rows] = values`, for rows as in `take`."""
    if rows.shape[0] == tensor.shape[0]:
        tensor.copy_(values)
    else:
        tensor[rows] = values

"""Features that were extracted beforehand: nothing to encode but their scale.

B batch, T time, d the modality's dim.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class FeatureEncoder(nn.Module):
    """Subtracts the training split's mean and divides by its deviation, column by column.

    The statistics are buffers, so a checkpoint carries them. Until `fit` is called the encoder
    is the identity.

    Args:
        dim: d.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.output_dim = dim
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def fit(self, chunks: Iterable[NDArray[Any]]) -> None:
        """Takes the statistics from all vectors of the training split.

        A column that does not vary keeps its unit.

        Args:
            chunks: arrays (n_i, d), together all vectors, in any fixed division.
        """
        mean, scale = column_statistics(chunks, self.output_dim)
        self.mean.copy_(torch.from_numpy(mean))
        self.scale.copy_(torch.from_numpy(scale))

    def forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, d) → (B, T, d), zeros behind each length (B,)."""
        inside = torch.arange(sequence.shape[1], device=sequence.device) < lengths[:, None]
        normalized = (sequence - self.mean) / self.scale
        return normalized * inside[..., None].to(normalized.dtype)


def column_statistics(
    chunks: Iterable[NDArray[Any]], dim: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each column, (d,) both, in one pass (Chan et al., 1979).

    The deviation is 1 for columns that do not vary, and for no vectors at all.
    """
    count, mean, squares = 0, np.zeros(dim), np.zeros(dim)
    for chunk in chunks:
        if not len(chunk):
            continue
        values = np.asarray(chunk, dtype=np.float64)
        delta = values.mean(axis=0) - mean
        total = count + len(values)
        squares += values.var(axis=0) * len(values) + delta**2 * count * len(values) / total
        mean += delta * len(values) / total
        count = total
    deviation = np.sqrt(squares / max(count, 1))
    varies = deviation > 1e-6 * np.maximum(np.abs(mean), 1e-6)
    return mean, np.where(varies, deviation, 1.0)
